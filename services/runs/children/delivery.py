"""Delivering messages from one agent to another, and waiting for the answers."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from perdure.conversation.v1.message_pb2 import STOP_REASON_REQUIRES_APPROVAL
from perdure.runs.v1.run_pb2 import RUN_STATUS_CANCELLED, RunEnded, RunEvent
from services.common.conversation_busy import ConversationBusy
from services.common.errors import Conflict, InvalidArgument, NotFound, PerdureError
from services.common.patience import keep_trying
from services.common.pieces import Shown, render_pieces
from services.runs.children.family import Family, Relative
from services.runs.children.letter import Letter
from services.runs.line import PENDING_APPROVAL
from services.runs.records import RunRequest, Started

MAX_DEPTH = 8  # runs in a line, each started by the one before, so that agents cannot set each other off without end
PATIENCE_S = 30.0  # seconds that a message whose answer is awaited waits for a receiver that is busy
PAUSE_S = 0.5  # seconds before it is asked again
_SPEECH = Shown(frozenset({"assistant_message"}), speaking_tool="send_message", speaking_argument="message")


class Undeliverable(InvalidArgument):
    """The message does not reach its receiver, or no answer comes back; the text tells the sender's model why."""

    reason = "UNDELIVERABLE"


class Runs(Protocol):
    """Where runs are started and followed."""

    async def start(self, request: RunRequest) -> Started:
        """Accepts a request; a repeated one gets the run of the first."""

    def watch_whole(self, organization_id: str, run_id: str) -> AsyncGenerator[Sequence[RunEvent], None]:
        """One batch when the run has ended: its messages, and the last event."""


@dataclass(frozen=True)
class Delivery:
    """Starts the receivers' runs. `reply_timeout_s`: how long an answer is waited for.

    `runs` is asked for when it is needed, as it carries out the runs whose calls end here.
    """

    runs: Callable[[], Runs]
    family: Family
    reply_timeout_s: float

    async def send(self, letter: Letter) -> str:
        """Returns when the receiver's history has the message: the id of its run. Raises `Undeliverable`."""
        sender = letter.sender
        _check(letter, await self.family.ancestors(sender.organization_id, sender.run_id))
        runs = self.runs()
        try:
            started = await keep_trying(
                lambda: runs.start(letter.request()), _is_busy, patience_s=PATIENCE_S, pause_s=PAUSE_S
            )
        except NotFound as exc:
            raise Undeliverable(f"There is no agent {letter.receiver_id}.") from exc
        except Conflict as refusal:
            raise _explain(letter, refusal) from refusal
        return started.run.id

    async def ask(self, letter: Letter) -> list[str]:
        """Sends a message and waits for what the receiver says to it. Raises `Undeliverable`."""
        run_id = await self.send(letter)
        try:
            async with asyncio.timeout(self.reply_timeout_s):
                async with aclosing(self.runs().watch_whole(letter.sender.organization_id, run_id)) as batches:
                    async for batch in batches:
                        return _read(letter, batch)
        except TimeoutError as exc:
            late = f"{letter.receiver_id} has not answered within {self.reply_timeout_s:g} s; it goes on without you."
            raise Undeliverable(late) from exc
        except NotFound as exc:
            raise Undeliverable(f"The answer of {letter.receiver_id} was deleted.") from exc
        raise Undeliverable(f"{letter.receiver_id} has not answered.")


def _check(letter: Letter, ancestors: Sequence[Relative]) -> None:
    """Raises `Undeliverable` where the message could set agents off without end, or make them wait for each other."""
    if letter.receiver_id == letter.sender.agent_id:
        raise Undeliverable("You cannot send a message to yourself. Name another agent.")
    if len(ancestors) >= MAX_DEPTH:
        raise Undeliverable(f"Agents have set each other off {MAX_DEPTH} times in a row. Answer without asking others.")
    waiting = [one.conversation_id for one in ancestors if one.is_active]
    if letter.awaits_reply and letter.receiver_id in waiting:
        raise Undeliverable(
            f"{letter.receiver_id} waits for your own answer and cannot reply before. Say in your answer what it needs."
        )


def _is_busy(error: PerdureError) -> bool:
    return error.reason == ConversationBusy.reason


def _explain(letter: Letter, refusal: Conflict) -> Undeliverable:
    if _is_busy(refusal):
        return Undeliverable(f"{letter.receiver_id} is busy with other messages. Try again later.")
    if refusal.reason == PENDING_APPROVAL:
        return Undeliverable(f"{letter.receiver_id} waits until a person approves a call, and takes no messages.")
    return Undeliverable(str(refusal))


def _read(letter: Letter, batch: Sequence[RunEvent]) -> list[str]:
    """What the receiver said. Raises `Undeliverable` where it did not come to an answer."""
    if problem := _problem(batch[-1].ended):
        raise Undeliverable(f"{letter.receiver_id} {problem}")
    messages = [event.message for event in batch if event.HasField("message")]
    return [piece["content"] for message in messages for piece in render_pieces(message, _SPEECH)]


def _problem(ended: RunEnded) -> str:
    if ended.HasField("error"):
        return f"could not answer: {ended.error.message}"
    if ended.status == RUN_STATUS_CANCELLED:
        return "was stopped before it answered."
    if ended.stop_reason == STOP_REASON_REQUIRES_APPROVAL:
        return "waits until a person approves a call, and has not answered yet."
    return ""
