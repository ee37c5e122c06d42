"""What happens to a run, as its trace tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from services.runs.records import Run

# `attempt`: a process took the run on. `takeover`: it took it from one that died, which had it since `began_at`.
# `model_call`, `tool_call`, `commit`, `compaction`: what it asked of others, each time. `repair`: the history was
# mended. `cancel`: a client wants it stopped. `release`: the process gave it back, which had it since `began_at`.
# `superseded`: a newer attempt has it. `end`: its final status is stored.
Kind = Literal[
    "attempt",
    "takeover",
    "model_call",
    "tool_call",
    "commit",
    "compaction",
    "repair",
    "cancel",
    "release",
    "superseded",
    "end",
]

# What is stored with the change of the run itself, so that no kill hides it. Journals only count it.
STORED_WITH_RUN: frozenset[Kind] = frozenset({"takeover", "release"})


@dataclass(frozen=True)
class TraceEvent:
    """One thing that happened, from `began_at` to `ended_at`, by this process's clock.

    `owner` is the process. `detail` is JSON, its texts short.
    """

    organization_id: str
    run_id: str
    attempt: int
    owner: str
    kind: Kind
    began_at: datetime
    ended_at: datetime
    step_id: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON

    @property
    def took_s(self) -> float:
        """How long it took, in seconds."""
        return (self.ended_at - self.began_at).total_seconds()


class Trace(Protocol):
    """Takes notes; never fails, never waits."""

    def note(
        self,
        run: Run,
        kind: Kind,
        *,
        began_at: datetime | None = None,
        step_id: str = "",
        **detail: Any,  # Any: JSON
    ) -> None:
        """Something happened to a run, just now or since `began_at`. What of `detail` is None is left out."""


def describe_end(run: Run) -> dict[str, Any]:  # Any: JSON
    """The detail of the event `end`, from a run that has ended."""
    failure = run.failure.detail if run.failure else None
    detail = {"status": run.status, "stop_reason": run.stop_reason, "steps": run.steps, "error": failure}
    return {name: value for name, value in detail.items() if value is not None}
