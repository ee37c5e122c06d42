"""How much one request may bring, whichever way it came."""

from services.common.errors import Json, Unprocessable
from services.contract.sending import MAX_MESSAGES
from services.runs.records import RunRequest

MAX_NAME_CHARS = 255  # of a key or an otid: an index of Postgres takes no entry above 2,704 bytes


def check_size(request: RunRequest) -> None:
    """Raises `Unprocessable`, which names what is too much."""
    otids = [request.answer_otid, *(message.otid for message in request.input)]
    problems: list[Json] = []
    if len(request.input) > MAX_MESSAGES:
        problems.append(_problem(["body", "messages"], f"A request brings at most {MAX_MESSAGES} messages."))
    if len(request.request_id) > MAX_NAME_CHARS:
        problems.append(_problem(["header", "idempotency-key"], f"A key has at most {MAX_NAME_CHARS} characters."))
    if any(len(otid) > MAX_NAME_CHARS for otid in otids):
        problems.append(_problem(["body", "messages", "otid"], f"An otid has at most {MAX_NAME_CHARS} characters."))
    if problems:
        raise Unprocessable(problems)


def _problem(where: list[Json], msg: str) -> Json:
    return {"type": "too_long", "loc": where, "msg": msg}
