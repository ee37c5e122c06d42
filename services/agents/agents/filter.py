"""Which agents a list has."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AgentFilter:
    """Empty texts and lists leave nothing out; `block_id`, `archive_id`: only agents that have it."""

    name: str = ""
    query_text: str = ""
    tags: Sequence[str] = ()
    match_all_tags: bool = False
    project_id: str = ""
    template_id: str = ""
    base_template_id: str = ""
    identity_id: str = ""
    identifier_keys: Sequence[str] = ()
    last_stop_reason: str = ""
    created_by_id: str = ""
    block_id: str = ""
    archive_id: str = ""
