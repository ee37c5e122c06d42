"""Traces of runs."""

from pydantic import BaseModel

from services.contract.json_object import JsonObject
from services.contract.timestamps import Timestamp


class TraceEvent(BaseModel):
    """One thing that happened to a run. `owner` is the process that tells it, `detail` depends on the kind."""

    kind: str
    attempt: int
    owner: str
    step_id: str | None = None
    began_at: Timestamp
    ended_at: Timestamp
    took_ms: float
    detail: JsonObject
