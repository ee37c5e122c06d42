"""How the context window of an agent is compacted."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from services.contract.counts import Count
from services.contract.model_settings import ModelSettings


class CompactionSettings(BaseModel):
    """Who summarises, how, and how much."""

    model: str | None = None
    model_settings: ModelSettings | None = None
    prompt: str | None = None
    prompt_acknowledgement: bool = False
    clip_chars: Count | None = 50_000
    mode: Literal["all", "sliding_window", "self_compact_all", "self_compact_sliding_window"] = "sliding_window"
    sliding_window_percentage: Annotated[float, Field(gt=0, le=1)] = 0.3


class CompactAgent(BaseModel):
    """How to compact an agent's own history: by the agent's settings where none are sent."""

    compaction_settings: CompactionSettings | None = None


class CompactConversation(CompactAgent):
    """How to compact a conversation. `agent_id` goes with the conversation "default"."""

    agent_id: str | None = None


class CompactionAnswer(BaseModel):
    """The summary, and how many messages the context window had before and has after, system message included."""

    summary: str
    num_messages_before: int
    num_messages_after: int
