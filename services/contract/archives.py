"""Archives: collections of passages that agents remember and may share."""

from typing import Literal

from pydantic import BaseModel

from services.contract.audit import Audited
from services.contract.json_object import JsonObject
from services.contract.model_configs import EmbeddingConfig


class Archive(Audited):
    """An archive. Its embedding model never changes; without one its passages are searched by their words."""

    name: str
    description: str | None = None
    organization_id: str
    vector_db_provider: Literal["native", "tpuf", "pinecone"] = "native"
    embedding_config: EmbeddingConfig | None = None
    metadata: JsonObject | None = None
    id: str


class CreateArchive(BaseModel):
    """A new archive. `embedding` is the handle of a model; `embedding_config` its older form, which wins."""

    name: str
    embedding_config: EmbeddingConfig | None = None
    embedding: str | None = None
    description: str | None = None


class UpdateArchive(BaseModel):
    """What changes in an archive: the fields that were sent."""

    name: str | None = None
    description: str | None = None
