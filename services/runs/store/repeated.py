"""How a request that was sent before is known again: three ways, each with an index of its own."""

from typing import Any

from sqlalchemy import and_, func, literal, or_, select, text, true

from services.runs.conversions import hash_request, write_request
from services.runs.records import ACTIVE_STATUSES, Run, RunRequest
from services.runs.store.run_rows import SHOWN
from services.runs.tables import runs

OLDEST = text("interval '1 day'")  # how long ago a request may have come that a client still waits for
RETRY_WINDOW = text("interval '10 minutes'")  # how long after its end a client may come for an answer
REFUSAL_WINDOW = text("interval '30 seconds'")  # within which a client that was refused has sent its retries
NOTICE_S = 30.0  # seconds, besides its read timeout, until a client that lost its answer has asked again


def repeated(request: RunRequest) -> Any:  # Any: a select, or None for a request that cannot be known again
    """Finds the run that an earlier sending of the request started, its hash beside it."""
    condition = _is_earlier(request)
    if condition is None:
        return None
    found = select(*SHOWN, runs.c.request_hash).where(runs.c.organization_id == request.organization_id, condition)
    return found.order_by(runs.c.created_at.desc()).limit(1)


def was_sent_since(request: RunRequest, known: Run | None) -> Any:  # Any: a SQL condition, or None as above
    """Holds where there is such a run, newer than the one that is known."""
    condition = _is_earlier(request)
    if condition is None:
        return None
    newer = runs.c.created_at > known.created_at if known else true()
    found = select(runs.c.id).where(runs.c.organization_id == request.organization_id, condition, newer)
    return found.correlate(None).exists()


def is_named(request: RunRequest) -> bool:
    """Whether its client has given it a name, by which it is known again whatever it says."""
    return bool(request.request_id or (request.background and request.otid))


def _is_earlier(request: RunRequest) -> Any:  # Any: a SQL condition, or None as above
    """By its request id; else by the otid of a background send; else, for a client's retry, an equal request whose
    answer may not have arrived: nobody tells a server what was lost on the way, so an answer that was sent counts as
    lost for as long as its client may take to miss it.
    """
    if request.request_id:
        return runs.c.request_id == request.request_id
    if request.background and request.otid:
        return and_(_in_conversation(request), runs.c.otid == request.otid, runs.c.background)
    if request.retry_count:
        return and_(_in_conversation(request), _is_equal(request), _may_be_lost(request))
    return None


def request_hash(request: RunRequest) -> bytes:
    """Equal for what a client sends twice."""
    return hash_request(write_request(request))


def _in_conversation(request: RunRequest) -> Any:  # Any: a SQL condition
    return runs.c.conversation_id == request.conversation_id


def _is_equal(request: RunRequest) -> Any:  # Any: a SQL condition
    return and_(runs.c.request_hash == request_hash(request), runs.c.created_at > func.now() - OLDEST)


def _may_be_lost(request: RunRequest) -> Any:  # Any: a SQL condition
    """Not where its answer was sent and an equal request was refused since: the retry is rather of that one."""
    now = func.now()  # not clock_timestamp(), which no index is searched by
    missed_after = text("interval '1 second'") * literal(request.read_timeout_s + NOTICE_S)
    unrefused = or_(runs.c.refused_at.is_(None), runs.c.refused_at < now - REFUSAL_WINDOW)
    ended_lately = and_(
        runs.c.completed_at > now - RETRY_WINDOW,
        or_(runs.c.delivered_at.is_(None), and_(runs.c.delivered_at > now - missed_after, unrefused)),
    )
    return or_(runs.c.status.in_(ACTIVE_STATUSES), ended_lately)
