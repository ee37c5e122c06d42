"""Which agents a list has."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AgentFilter:
    """Empty texts and lists leave nothing out; `block_id`, `archive_id`, `folder_id`: only agents that have it.

    `tags`: agents with one of them, or with `match_all_tags` all; `some_tags`: of these only those with one of these.
    """

    name: str = ""
    query_text: str = ""
    tags: Sequence[str] = ()
    match_all_tags: bool = False
    some_tags: Sequence[str] = ()
    project_id: str = ""
    template_id: str = ""
    base_template_id: str = ""
    identity_id: str = ""
    identifier_keys: Sequence[str] = ()
    last_stop_reason: str = ""
    created_by_id: str = ""
    block_id: str = ""
    archive_id: str = ""
    folder_id: str = ""
