"""What the domain needs of its database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.database import Transaction
from services.common.errors import AlreadyExists, NotFound
from services.tools.stored_tool import StoredTool


class ToolNotFound(NotFound):
    """There is no such tool."""

    reason = "TOOL_NOT_FOUND"


class NameTaken(AlreadyExists):
    """Another tool has the name."""

    reason = "TOOL_NAME_TAKEN"


@dataclass(frozen=True)
class ToolFilter:
    """Which tools; what is empty does not restrict.

    `tags`: any of them. `words`: any of them, also as the beginnings of longer ones; the best matches come first then.
    """

    name: str = ""
    names: Sequence[str] = ()
    tool_ids: Sequence[str] = ()
    search: str = ""
    tool_types: Sequence[str] = ()
    exclude_tool_types: Sequence[str] = ()
    tags: Sequence[str] = ()
    words: Sequence[str] = ()
    only_base: bool = False
    without_base: bool = False


@dataclass(frozen=True)
class Page:
    """Which part of a list. `before` and `after` are ids of tools."""

    limit: int = 50
    before: str = ""
    after: str = ""
    descending: bool = True


class Tools(Protocol):
    """The tools of organisations."""

    async def insert(self, transaction: Transaction, new: Sequence[StoredTool]) -> list[str]:
        """Adds tools. Answers the names added: those that exist stay as they are."""

    async def update(self, transaction: Transaction, changed: StoredTool) -> None:
        """Stores a new version. Raises `NameTaken`."""

    async def delete(self, transaction: Transaction, organization_id: str, tool_id: str) -> None:
        """Deletes a tool. Raises `ToolNotFound`."""

    async def get(
        self, transaction: Transaction, organization_id: str, tool_id: str, *, lock: bool = False
    ) -> StoredTool:
        """One tool, locked until the transaction ends when asked. Raises `ToolNotFound`."""

    async def lock_named(self, transaction: Transaction, organization_id: str, name: str) -> StoredTool | None:
        """The tool of that name, locked until the transaction ends."""

    async def find(
        self, transaction: Transaction, organization_id: str, *, ids: Sequence[str] = (), names: Sequence[str] = ()
    ) -> list[StoredTool]:
        """The tools with one of the ids or names, in no order."""

    async def find_names(self, transaction: Transaction, organization_id: str, names: Sequence[str]) -> set[str]:
        """Those of the names that tools have."""

    async def list(
        self, transaction: Transaction, organization_id: str, wanted: ToolFilter, page: Page
    ) -> list[StoredTool]:
        """A page of tools, in the order in which they were made or match. Raises `ToolNotFound` for a cursor."""

    async def count(self, transaction: Transaction, organization_id: str, wanted: ToolFilter) -> int:
        """How many tools there are."""


class Outbox(Protocol):
    """Changes of tools that the agents service has still to be told of."""

    async def add(self, transaction: Transaction, organization_id: str, tool_id: str) -> None:
        """Notes that a tool changed or went away; in the transaction that does it."""

    async def take(self, transaction: Transaction, organization_id: str) -> list[str]:
        """Removes an organisation's notes and answers its tools, the first change first; others wait meanwhile."""

    async def organizations(self, transaction: Transaction) -> list[str]:
        """The organisations that have notes."""
