"""Tags: words to find agents by."""

from typing import Protocol

from services.agents.paging import Page
from services.common.caller import Caller
from services.common.database import Database, Transaction


class Store(Protocol):
    """Where tags are kept."""

    async def list_page(self, tx: Transaction, organization_id: str, text: str, page: Page) -> list[str]:
        """The tags that hold a text, whatever the case, by name. Cursors are tags."""


class Tags:
    """The tags of all agents."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store

    async def list_page(self, caller: Caller, text: str, page: Page) -> list[str]:
        """The tags that hold a text, whatever the case, by name. Cursors are tags."""
        async with self._database.begin() as tx:
            return await self._store.list_page(tx, caller.organization_id, text, page)
