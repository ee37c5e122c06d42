"""Blocks: labelled pieces of memory that are part of an agent's prompt."""

from pydantic import BaseModel

from services.contract.counts import Count
from services.contract.json_object import JsonObject
from services.contract.timestamps import Timestamp

DEFAULT_BLOCK_LIMIT = 100_000  # characters


class BlockFields(BaseModel):
    """What callers decide about a block, in the order in which it is printed."""

    value: str
    limit: Count = DEFAULT_BLOCK_LIMIT
    project_id: str | None = None
    template_name: str | None = None
    is_template: bool = False
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    preserve_on_migration: bool | None = False
    label: str | None = None
    read_only: bool = False
    description: str | None = None
    metadata: JsonObject | None = {}
    hidden: bool | None = None


class Block(BlockFields):
    """A block. `limit` counts characters; agents cannot change one that is read-only."""

    id: str
    created_by_id: str | None = None
    last_updated_by_id: str | None = None
    tags: list[str] | None = []


class CreateBlock(BlockFields):
    """A new block."""

    value: str = ""
    label: str
    tags: list[str] | None = None


class UpdateBlock(BaseModel):
    """What changes in a block: the fields that were sent."""

    value: str | None = None
    limit: Count | None = None
    project_id: str | None = None
    template_name: str | None = None
    is_template: bool = False
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None
    preserve_on_migration: bool | None = False
    label: str | None = None
    read_only: bool = False
    description: str | None = None
    metadata: JsonObject | None = {}
    hidden: bool | None = None
    tags: list[str] | None = None


class FileBlock(Block):
    """A file that an agent has open, shown to it as a block."""

    file_id: str
    source_id: str
    is_open: bool
    last_accessed_at: Timestamp | None = None


class Memory(BaseModel):
    """All blocks of an agent."""

    agent_type: str | None = None
    git_enabled: bool = False
    blocks: list[Block]
    file_blocks: list[FileBlock] = []
    prompt_template: str = ""
