"""Files in folders, and what agents have open of them."""

from typing import Literal

from pydantic import BaseModel

from services.contract.timestamps import Timestamp

ProcessingStatus = Literal["pending", "parsing", "embedding", "completed", "error"]


class File(BaseModel):
    """A file. `file_size` counts bytes; `content` is its text, where it was asked for."""

    source_id: str
    file_name: str
    original_file_name: str
    file_path: str | None = None
    file_type: str | None = None
    file_size: int
    file_creation_date: str | None = None
    file_last_modified_date: str | None = None
    processing_status: ProcessingStatus
    error_message: str | None = None
    total_chunks: int | None = None
    chunks_embedded: int | None = None
    content: str | None = None
    id: str
    organization_id: str
    created_at: Timestamp
    updated_at: Timestamp


class AgentFile(BaseModel):
    """A file of an agent's folders. Lines count from 1, both ends are shown; null where the view has no such bound."""

    id: str
    file_id: str
    file_name: str
    folder_id: str
    folder_name: str
    is_open: bool
    last_accessed_at: Timestamp | None = None
    visible_content: str | None = None
    start_line: int | None = None
    end_line: int | None = None


class AgentFiles(BaseModel):
    """A page of an agent's files; `next_cursor` is the id of the last."""

    files: list[AgentFile]
    next_cursor: str | None = None
    has_more: bool


class ClosedFile(BaseModel):
    """That a file is closed."""

    message: str
