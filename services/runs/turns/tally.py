"""What the steps of a run came to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from perdure.conversation.v1.message_pb2 import Usage
from services.runs.records import Step
from services.runs.turns.history import Outcome, Snapshot


@dataclass
class Tally:
    """The committed steps. `context_tokens` are those of the last one's prompt and answer."""

    rows: list[Step] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    context_tokens: int = 0

    def has(self, step_id: str) -> bool:
        """Whether a step is among them."""
        return any(row.id == step_id for row in self.rows)

    def count(self, step: Step) -> None:
        """Adds a committed step, once: it may be met again, by who was cancelled while it wrote it down."""
        if self.has(step.id):
            return
        self.rows.append(replace(step, status="success"))
        self.usage = add_usage(self.usage, step.usage)
        self.context_tokens = step.usage.total_tokens


def committed_steps(noted: Sequence[Step], turn: Snapshot | Outcome) -> list[Step]:
    """The committed steps of a turn, in order: those of the ledger that are, and the last one, which it may lack.

    No other can be missing: an owner notes a step before it asks for the next.
    """
    last = turn.last_step
    last_number = turn.next_step - 1 if isinstance(turn, Snapshot) else last.number if last else 0
    found = {step.id: step for step in noted if step.number <= last_number}
    if last is not None and (last.id not in found or found[last.id].status != "success"):
        found[last.id] = last
    return list(found.values())


def add_usage(total: Usage, more: Usage) -> Usage:
    """The sum; a count that neither has stays unset."""
    summed = Usage()
    for each in (total, more):
        for counted, value in each.ListFields():
            setattr(summed, counted.name, getattr(summed, counted.name) + value)
    return summed
