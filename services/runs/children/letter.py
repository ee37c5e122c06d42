"""A message from one agent to another."""

from dataclasses import dataclass

from perdure.conversation.v1.message_pb2 import ROLE_SYSTEM, Message, Part
from services.runs.records import RunRequest
from services.runs.turns.tools import CallContext

_ENVELOPE = "[A message from the agent {sender}. {answering}]\n\n{text}"
_AWAITED = "It waits for what you say in this turn; that goes back to it by itself."
_NOT_AWAITED = "It does not wait for an answer."


@dataclass(frozen=True)
class Letter:
    """What an agent sends by one tool call to one receiver."""

    sender: CallContext
    call_id: str
    receiver_id: str
    text: str
    awaits_reply: bool

    def request(self) -> RunRequest:
        """The run that answers it. The same letter again gets the same run, whatever process sends it."""
        return RunRequest(
            organization_id=self.sender.organization_id,
            user_id=self.sender.user_id,
            conversation_id=self.receiver_id,
            agent_id=self.receiver_id,
            input=(self._message(),),
            without_deltas=True,
            request_id=f"{self.sender.run_id}/{self.sender.step_id}/{self.call_id}/{self.receiver_id}",
            run_type="send_message_to_agent",
            on_busy="reject" if self.awaits_reply else "enqueue",  # who waits for another must not wait in a line
            parent_run_id=self.sender.run_id,
        )

    def _message(self) -> Message:
        answering = _AWAITED if self.awaits_reply else _NOT_AWAITED
        text = _ENVELOPE.format(sender=self.sender.agent_id, answering=answering, text=self.text)
        return Message(role=ROLE_SYSTEM, sender_id=self.sender.agent_id, parts=[Part(text=text)])
