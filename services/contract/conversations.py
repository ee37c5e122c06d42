"""Conversations: separate histories with one agent."""

from pydantic import BaseModel

from services.contract.audit import Audited
from services.contract.model_settings import ModelSettings
from services.contract.timestamps import Timestamp


class Conversation(Audited):
    """A conversation, with a model of its own where it has one."""

    id: str
    agent_id: str
    summary: str | None = None
    in_context_message_ids: list[str] = []
    isolated_block_ids: list[str] = []
    model: str | None = None
    model_settings: ModelSettings | None = None
    last_message_at: Timestamp | None = None


class CreateConversation(BaseModel):
    """A new conversation. It gets its own copies of the blocks with these labels."""

    summary: str | None = None
    isolated_block_labels: list[str] | None = None
    model: str | None = None
    model_settings: ModelSettings | None = None


class UpdateConversation(BaseModel):
    """What changes in a conversation: the fields that were sent."""

    summary: str | None = None
    model: str | None = None
    model_settings: ModelSettings | None = None
    last_message_at: Timestamp | None = None
