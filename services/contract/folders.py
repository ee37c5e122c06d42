"""Folders of files. Their ids and older names say "source"."""

from typing import Literal

from pydantic import BaseModel

from services.contract.json_object import JsonObject
from services.contract.model_configs import EmbeddingConfig
from services.contract.timestamps import Timestamp


class Folder(BaseModel):
    """A folder, as an agent shows the ones that it has."""

    name: str
    description: str | None = None
    instructions: str | None = None
    metadata: JsonObject | None = None
    id: str
    embedding_config: EmbeddingConfig
    organization_id: str | None = None
    vector_db_provider: Literal["native", "tpuf", "pinecone"] = "native"
    created_by_id: str | None = None
    last_updated_by_id: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
