"""Log lines: one JSON object a line, with the ids of what is going on."""

import logging
import os
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

request_id: ContextVar[str] = ContextVar("request_id", default="")
run_id: ContextVar[str] = ContextVar("run_id", default="")
attempt: ContextVar[int] = ContextVar("attempt", default=0)
step_id: ContextVar[str] = ContextVar("step_id", default="")

_IDS: tuple[ContextVar[str] | ContextVar[int], ...] = (
    request_id,
    run_id,
    attempt,
    step_id,
)
# The headers in which the ids travel between services; the gateway lets no outsider set those of a run.
REQUEST_ID, RUN_ID, ATTEMPT, STEP_ID = "x-request-id", "x-perdure-run-id", "x-perdure-attempt", "x-perdure-step-id"


def send_ids() -> tuple[tuple[str, str], ...]:
    """The ids of what is going on, as headers of a call to another service."""
    ids = ((REQUEST_ID, request_id), (RUN_ID, run_id), (ATTEMPT, attempt), (STEP_ID, step_id))
    return tuple((name, str(value)) for name, variable in ids if (value := variable.get()))


def receive_ids(headers: Mapping[str, str]) -> None:
    """Takes the ids of a call that came in: log lines carry them from here on."""
    request_id.set(headers.get(REQUEST_ID, ""))
    run_id.set(headers.get(RUN_ID, ""))
    step_id.set(headers.get(STEP_ID, ""))
    number = headers.get(ATTEMPT, "")
    attempt.set(int(number) if number.isdigit() else 0)


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, message, and the ids that are set."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {variable.name: variable.get() for variable in _IDS if variable.get()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def configure_logging() -> None:
    """Logs to stderr, at PERDURE_LOG_LEVEL (INFO)."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(
        level=os.environ.get("PERDURE_LOG_LEVEL", "INFO").upper(),
        handlers=[handler],
        force=True,
    )
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it logs what it raises, addresses with keys included
