"""What a new turn stores, worked out before it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from perdure.conversation.v1.message_pb2 import ROLE_SYSTEM, ApprovalAnswer, Message
from services.agents.messages.drafts import Origin
from services.agents.turns.approvals import ApprovalState, approval_state
from services.agents.turns.turn import Turn, TurnState
from services.common.ids import new_id


@dataclass(frozen=True)
class Accepted:
    """Input that was found to fit the conversation: messages, and the answers to its pending request."""

    messages: Sequence[Message]
    answers: Sequence[ApprovalAnswer] = ()
    request_id: str | None = None


@dataclass(frozen=True)
class Opening:
    """A new turn with the messages that it begins with, at their positions, and the states of answered approvals."""

    turn: Turn
    messages: Sequence[tuple[Message, int]]
    next_position: int
    answers: Mapping[str, ApprovalState]


@dataclass
class _Places:
    """Messages at the end of a conversation."""

    next_position: int
    messages: list[tuple[Message, int]] = field(default_factory=list)

    def reserve(self) -> int:
        """A position to be filled later."""
        self.next_position += 1
        return self.next_position - 1

    def add(self, message: Message) -> None:
        """Puts a message at the end."""
        self.messages.append((message, self.reserve()))


def plan_opening(
    run_id: str, attempt: int, origin: Origin, accepted: Accepted, *, system: str | None, next_position: int
) -> Opening:
    """The turn of a run. `system` is the text of the conversation's system message, where it has none yet.

    The returns of an answered request get the position after the answers, before new messages.
    """
    places = _Places(next_position)
    if system is not None:
        places.add(origin.text(ROLE_SYSTEM, system))
    in_run = Origin(origin.agent_id, origin.conversation_id, origin.made_at, run_id)
    returns_position = None
    if accepted.answers:
        places.add(in_run.answers(accepted.answers))
        returns_position = places.reserve()
    step_id = new_id("step")
    in_step = Origin(origin.agent_id, origin.conversation_id, origin.made_at, run_id, step_id)
    given = [in_step.given(message) for message in accepted.messages]
    for message in given:
        places.add(message)
    turn = Turn(
        run_id=run_id,
        agent_id=origin.agent_id,
        conversation_id=origin.conversation_id,
        attempt=attempt,
        state=TurnState.ACTIVE,
        stop_reason=None,
        error="",
        next_step=1,
        next_step_id=step_id,
        steps=0,
        input_ids=[message.id for message in given],
        request_id=accepted.request_id,
        returns_position=returns_position,
        begun_at=origin.made_at,
        ended_at=None,
    )
    states = {answer.call_id: approval_state(answer) for answer in accepted.answers}
    return Opening(turn, places.messages, places.next_position, states)
