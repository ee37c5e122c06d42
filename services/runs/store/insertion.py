"""How a new run is written."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, case, cast, exists, func, null, or_, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import Boolean, Float, Text

from services.runs.conversions import hash_request, write_request
from services.runs.records import Run, RunRequest
from services.runs.store.repeated import was_sent_since
from services.runs.store.run_rows import SHOWN
from services.runs.tables import runs

_GIVEN = (
    *("id", "organization_id", "user_id", "conversation_id", "status", "request", "request_hash", "request_id"),
    *("parent_run_id", "otid", "background", "run_type", "request_config", "callback_url", "on_busy", "owner"),
    "attempt",
)

_AGENT_OF_CONVERSATION = (
    select(runs.c.agent_id)
    .where(
        runs.c.organization_id == bindparam("organization_id"),
        runs.c.conversation_id == bindparam("conversation_id"),
        runs.c.agent_id != "",
    )
    .order_by(runs.c.created_at.desc())
    .limit(1)
    .scalar_subquery()
)
_LINE = (
    runs.c.organization_id == bindparam("organization_id"),
    runs.c.conversation_id == bindparam("conversation_id"),
    runs.c.line_place.is_not(None),
)
_LAST_PLACE = select(func.max(runs.c.line_place)).where(*_LINE).scalar_subquery()
_LENGTH = select(func.count()).select_from(runs).where(*_LINE).scalar_subquery()


def _insert(line_place: Any, allowed: Any) -> Any:  # Any: SQL expressions; an insert
    timeout_s = bindparam("timeout_s", type_=Float)
    columns = {name: bindparam(name, type_=runs.c[name].type) for name in _GIVEN} | {
        "agent_id": func.coalesce(func.nullif(bindparam("known_agent_id", type_=Text), ""), _AGENT_OF_CONVERSATION, ""),
        "created_at": func.clock_timestamp(),
        "claimed_at": func.clock_timestamp(),
        "callback_due_at": case((bindparam("callback_url", type_=Text).is_not(None), func.clock_timestamp())),
        "deadline_at": case((timeout_s > 0, func.clock_timestamp() + timeout_s * text("interval '1 second'"))),
        "line_place": line_place,
    }
    rows = select(*(column.label(name) for name, column in columns.items())).where(allowed)
    return upsert(runs).from_select(list(columns), rows).on_conflict_do_nothing().returning(*SHOWN)


# Who comes while others wait for the conversation does not get in before them, unless with an approval.
_MAY_TAKE = or_(bindparam("goes_first", type_=Boolean), ~exists().where(*_LINE).correlate(None))
_NO_PLACE = cast(null(), BigInteger)
INSERT = _insert(_NO_PLACE, _MAY_TAKE)  # takes the conversation
# Goes to the end of the line, if that is not too long. Its caller has locked the line.
JOIN_LINE = _insert(func.coalesce(_LAST_PLACE + 1, 1), bindparam("longest", type_=BigInteger) > _LENGTH)


def insert_once(sent: RunRequest, known: Run | None) -> Any:  # Any: an insert
    """Takes the conversation, unless an earlier sending of the request started a newer run than the one that is known.

    Whoever looks first and inserts then may miss one that began and ended in between.
    """
    repeats = was_sent_since(sent, known)
    return INSERT if repeats is None else _insert(_NO_PLACE, and_(_MAY_TAKE, ~repeats))


def run_values(run_id: str, request: RunRequest, owner: str | None, *, sent: RunRequest) -> Mapping[str, Any]:
    """What the statements write. `sent` is the request as its client sent it, by which a repeated one is known."""
    return {
        "id": run_id,
        "organization_id": request.organization_id,
        "user_id": request.user_id,
        "known_agent_id": request.agent_id or agent_of(request.conversation_id),
        "conversation_id": request.conversation_id,
        "status": "running" if owner else "created",
        "request": write_request(request).SerializeToString(),
        "request_hash": hash_request(write_request(sent)),
        "request_id": request.request_id or None,
        "parent_run_id": request.parent_run_id or None,
        "otid": sent.otid or None,
        "background": request.background,
        "run_type": request.run_type,
        "request_config": dict(request.request_config),
        "callback_url": request.callback_url or None,
        "on_busy": request.on_busy,
        "owner": owner,
        "attempt": 1 if owner else 0,
        "timeout_s": request.timeout_s,
        "goes_first": bool(request.approvals),
    }


def agent_of(conversation_id: str) -> str:
    """The agent of a conversation, where its key says so: an agent's own history."""
    return conversation_id if conversation_id.startswith("agent-") else ""
