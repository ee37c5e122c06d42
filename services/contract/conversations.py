"""Conversations: separate histories with one agent."""

from typing import Any

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

from services.contract.audit import Audited
from services.contract.model_settings import ModelSettings
from services.contract.on_busy import OnBusy
from services.contract.timestamps import Timestamp


class Conversation(Audited):
    """A conversation, with a model of its own where it has one.

    `on_busy` is what becomes of a message that comes while it is busy, shown where it is set.
    """

    id: str
    agent_id: str
    summary: str | None = None
    in_context_message_ids: list[str] = []
    isolated_block_ids: list[str] = []
    model: str | None = None
    model_settings: ModelSettings | None = None
    last_message_at: Timestamp | None = None
    on_busy: OnBusy | None = None

    @model_serializer(mode="wrap")
    def _print(self, print_all: SerializerFunctionWrapHandler) -> dict[str, Any]:  # Any: the fields, as they are
        printed: dict[str, Any] = print_all(self)
        if self.on_busy is None:
            del printed["on_busy"]
        return printed


class CreateConversation(BaseModel):
    """A new conversation. It gets its own copies of the blocks with these labels."""

    summary: str | None = None
    isolated_block_labels: list[str] | None = None
    model: str | None = None
    model_settings: ModelSettings | None = None
    on_busy: OnBusy | None = None


class UpdateConversation(BaseModel):
    """What changes in a conversation: the fields that were sent."""

    summary: str | None = None
    model: str | None = None
    model_settings: ModelSettings | None = None
    last_message_at: Timestamp | None = None
    on_busy: OnBusy | None = None
