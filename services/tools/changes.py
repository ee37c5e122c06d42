"""Telling the agents service of changed tools: at once where that works, else as soon as it is back."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from services.common.database import Database
from services.common.errors import PerdureError
from services.tools.storage import Outbox, Tools
from services.tools.stored_tool import StoredTool

log = logging.getLogger(__name__)

RETRY_S = 2.0  # seconds between two looks at what is left


class Agents(Protocol):
    """Who has to know."""

    async def apply_changes(self, organization_id: str, changed: Sequence[StoredTool], deleted: Sequence[str]) -> None:
        """Takes over the newest version of tools, and that others are gone (by id). Raises `PerdureError`."""


class Changes:
    """Delivers what the outbox holds."""

    def __init__(self, database: Database, outbox: Outbox, tools: Tools, agents: Agents) -> None:
        self._database = database
        self._outbox = outbox
        self._tools = tools
        self._agents = agents

    async def deliver(self, organization_id: str) -> None:
        """Tells of an organisation's changes. A failure is logged; `deliver_forever` tries again."""
        try:
            await self._deliver(organization_id)
        except PerdureError as exc:
            log.warning("agents could not be told of changed tools: %s", exc)

    async def deliver_forever(self) -> None:
        """Tells, every few seconds, what could not be told before."""
        while True:
            try:
                async with self._database.begin() as transaction:
                    organizations = await self._outbox.organizations(transaction)
                for organization_id in organizations:
                    await self.deliver(organization_id)
            except Exception:
                log.exception("changed tools could not be read")
            await asyncio.sleep(RETRY_S)

    async def _deliver(self, organization_id: str) -> None:
        # The rows stay locked during the call, so that two deliveries cannot overtake each other.
        async with self._database.begin() as transaction:
            ids = await self._outbox.take(transaction, organization_id)
            if not ids:
                return
            found = {one.tool.id: one for one in await self._tools.find(transaction, organization_id, ids=ids)}
            changed = [found[tool_id] for tool_id in ids if tool_id in found]
            deleted = [tool_id for tool_id in ids if tool_id not in found]
            await self._agents.apply_changes(organization_id, changed, deleted)
