"""Folders of files. Their ids and older names say "source"."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from services.contract.counts import PositiveCount
from services.contract.json_object import JsonObject
from services.contract.model_configs import DEFAULT_EMBEDDING_CHUNK_SIZE, EmbeddingConfig
from services.contract.timestamps import Timestamp

FolderName = Annotated[str, Field(min_length=1, max_length=255)]


class Folder(BaseModel):
    """A folder. Its embedding model never changes; without one its files are searched by their words."""

    name: str
    description: str | None = None
    instructions: str | None = None
    metadata: JsonObject | None = None
    id: str
    embedding_config: EmbeddingConfig | None = None
    organization_id: str
    created_by_id: str | None = None
    last_updated_by_id: str | None = None
    created_at: Timestamp
    updated_at: Timestamp


class Source(BaseModel):
    """A folder in its older form, which agents show too."""

    name: str
    description: str | None = None
    instructions: str | None = None
    metadata: JsonObject | None = None
    id: str
    embedding_config: EmbeddingConfig | None = None
    organization_id: str
    vector_db_provider: Literal["native", "tpuf", "pinecone"] = "native"
    created_by_id: str | None = None
    last_updated_by_id: str | None = None
    created_at: Timestamp
    updated_at: Timestamp


class CreateFolder(BaseModel):
    """A new folder. `embedding` is the handle of a model; `embedding_config` its older form, which wins."""

    name: FolderName
    description: str | None = None
    instructions: str | None = None
    metadata: JsonObject | None = None
    embedding: str | None = None
    embedding_chunk_size: PositiveCount | None = DEFAULT_EMBEDDING_CHUNK_SIZE
    embedding_config: EmbeddingConfig | None = None


class UpdateFolder(BaseModel):
    """What changes in a folder: the fields that were sent."""

    name: FolderName | None = None
    description: str | None = None
    instructions: str | None = None
    metadata: JsonObject | None = None
    embedding_config: EmbeddingConfig | None = None


class FileStats(BaseModel):
    """A file with its size in bytes."""

    file_id: str
    file_name: str
    file_size: int | None = None


class FolderStats(BaseModel):
    """A folder with the number of its files and their size in bytes."""

    source_id: str
    source_name: str
    file_count: int = 0
    total_size: int = 0
    files: list[FileStats] = []


class FoldersStats(BaseModel):
    """How much all folders hold, in bytes; `sources` is empty unless asked for."""

    total_sources: int = 0
    total_files: int = 0
    total_size: int = 0
    sources: list[FolderStats] = []
