"""Making stored messages out of what callers and models give."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    ApprovalAnswer,
    Message,
    Part,
    Role,
    ToolReturn,
)
from services.common.ids import new_id


@dataclass(frozen=True)
class Origin:
    """Where and when a message is made; what is empty does not apply."""

    agent_id: str
    conversation_id: str
    made_at: datetime
    run_id: str = ""
    step_id: str = ""

    def stamp(self, message: Message) -> Message:
        """A copy of the message that says so."""
        stamped = Message()
        stamped.CopyFrom(message)
        stamped.agent_id = self.agent_id
        stamped.conversation_id = self.conversation_id
        stamped.run_id = self.run_id
        stamped.step_id = self.step_id
        if not stamped.HasField("created_at"):
            stamped.created_at.FromDatetime(self.made_at)
        stamped.id = stamped.id or new_id("message")
        return stamped

    def text(self, role: Role.ValueType, words: str) -> Message:
        """A message of plain text."""
        return self.stamp(Message(role=role, parts=[Part(text=words)]))

    def given(self, message: Message) -> Message:
        """A message that a caller gave: only its role, parts, otid and names count."""
        kept = Message(
            role=message.role,
            parts=message.parts,
            otid=message.otid,
            name=message.name,
            sender_id=message.sender_id,
            group_id=message.group_id,
        )
        if message.role in (ROLE_USER, ROLE_SYSTEM) and not message.otid:
            kept.otid = str(uuid.uuid4())
        return self.stamp(kept)

    def answers(self, answers: Sequence[ApprovalAnswer]) -> Message:
        """The client's answer to an approval request."""
        return self.stamp(Message(role=ROLE_APPROVAL, parts=[Part(approval_answer=answer) for answer in answers]))

    def returns(self, returns: Sequence[ToolReturn], message_id: str = "") -> Message:
        """What the calls of one step gave."""
        name = next((returned.name for returned in returns if returned.executed), "")
        parts = [Part(tool_return=returned) for returned in returns]
        return self.stamp(Message(id=message_id, role=ROLE_TOOL, parts=parts, name=name))
