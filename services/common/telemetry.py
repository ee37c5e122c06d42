"""Log lines: one JSON object a line, with the ids of what is going on."""

import logging
import os
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
