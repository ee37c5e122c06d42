"""Passages: the pieces of text that archives hold."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from services.contract.audit import Audited
from services.contract.json_object import JsonObject
from services.contract.model_configs import EmbeddingConfig
from services.contract.timestamps import Timestamp

PRINTED_DIMENSIONS = 4096  # numbers of every printed embedding: shorter ones end in zeros
MAX_RESULTS = 1000  # passages that one search of an agent's memory gives

TagMatchMode = Literal["any", "all"]


def _pad(embedding: list[float]) -> list[float]:
    return embedding + [0.0] * (PRINTED_DIMENSIONS - len(embedding))


def _is_iso(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError as exc:
        raise PydanticCustomError(
            "datetime_parsing", "Input should be a day or a time in ISO 8601, such as 2026-01-31 or 2026-01-31T14:30"
        ) from exc
    return text


Embedding = Annotated[list[float], PlainSerializer(_pad, return_type=list[float], when_used="json")]

Moment = Annotated[str, AfterValidator(_is_iso)]  # a day, or a time with or without a zone


class Passage(Audited):
    """A passage. `embedding` is null in an archive without an embedding model."""

    is_deleted: bool = False
    organization_id: str | None = None
    archive_id: str | None = None
    source_id: str | None = None
    file_id: str | None = None
    file_name: str | None = None
    metadata: JsonObject | None = {}
    tags: list[str] | None = None
    id: str
    text: str
    embedding: Embedding | None
    embedding_config: EmbeddingConfig | None


class CreateArchivalMemory(BaseModel):
    """A new passage of an agent. Without `created_at` it is made now."""

    text: str
    tags: list[str] | None = None
    created_at: Timestamp | None = None


class CreatePassage(CreateArchivalMemory):
    """A new passage of an archive."""

    metadata: JsonObject | None = None


class CreatePassages(BaseModel):
    """New passages of one archive: all are stored, or none."""

    passages: list[CreatePassage]


class DeletedPassage(BaseModel):
    """That a passage is gone."""

    message: str


class ArchivalSearch(BaseModel):
    """What an agent or its user looks for in its passages. Days and times without a zone are in the agent's."""

    query: str
    tags: list[str] | None = None
    tag_match_mode: TagMatchMode = "any"
    top_k: int | None = Field(default=None, ge=1, le=MAX_RESULTS)
    start_datetime: Moment | None = None
    end_datetime: Moment | None = None


class ArchivalHit(BaseModel):
    """A passage that was found; `timestamp` is in the agent's time zone."""

    id: str
    timestamp: str
    content: str
    tags: list[str] = []


class ArchivalHits(BaseModel):
    """What was found, best first."""

    results: list[ArchivalHit]
    count: int


class SearchPassages(BaseModel):
    """What is looked for, and where: one agent's archives, one archive, or all. Without `query`: the newest."""

    query: str | None = None
    agent_id: str | None = None
    archive_id: str | None = None
    tags: list[str] | None = None
    tag_match_mode: TagMatchMode = "any"
    limit: int = Field(default=50, ge=1, le=100)
    start_date: Moment | None = None
    end_date: Moment | None = None


class FoundPassage(BaseModel):
    """A passage with how well it fits: the cosine of the vectors' angle, or the rank of its words. 0 without query."""

    passage: Passage
    score: float
    metadata: JsonObject = {}
