"""Lists of stored messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from perdure.conversation.v1.message_pb2 import Message, Role
from services.agents.messages.clipping import clip_returns
from services.agents.paging import CursorNotFound, Page
from services.common.database import Transaction
from services.common.errors import NotFound


class MessageNotFound(NotFound):
    """There is no such message."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"Message '{message_id}' was not found.")


@dataclass(frozen=True)
class InWindow:
    """A message in a context window: at which rank, and to how many characters its tool returns are clipped."""

    message: Message
    rank: int
    clipped_to: int | None


@dataclass(frozen=True)
class Bounds:
    """Which part of a list, by the numbers that order it; both ends are left out."""

    limit: int
    after: int | None = None
    before: int | None = None
    descending: bool = False


@dataclass(frozen=True)
class Wanted:
    """Which messages are looked for: those that hold every word, whatever the case. Both ends of the time count."""

    words: str = ""
    roles: Sequence[Role.ValueType] = ()  # none: all
    since: datetime | None = None
    until: datetime | None = None


class MessageStore(Protocol):
    """Where messages are kept."""

    async def get(self, tx: Transaction, organization_id: str, ids: Sequence[str]) -> dict[str, Message]:
        """The messages with these ids; those that do not exist are left out."""

    async def read_window(self, tx: Transaction, organization_id: str, conversation_id: str) -> list[InWindow]:
        """The context window, oldest first."""

    async def sequences(
        self, tx: Transaction, organization_id: str, ids: Sequence[str], owner: Mapping[str, str]
    ) -> dict[str, int]:
        """Where messages stand in `list_of`; those that it does not list are left out."""

    async def list_of(
        self, tx: Transaction, organization_id: str, owner: Mapping[str, str], bounds: Bounds
    ) -> list[Message]:
        """Messages with these columns (agent_id, run_id, step_id, group_id), in the order in which they were stored."""

    async def positions(
        self, tx: Transaction, organization_id: str, conversation_id: str, ids: Sequence[str]
    ) -> dict[str, int]:
        """Where messages stand in `list_of_conversation`; those that it does not list are left out."""

    async def list_of_conversation(
        self, tx: Transaction, organization_id: str, conversation_id: str, group_id: str, bounds: Bounds
    ) -> list[Message]:
        """Messages of a conversation in its order; `group_id`: only those of this group."""


class Messages:
    """Reads stored messages, inside a transaction of the caller.

    A page's cursors are message ids and mean time, whatever the order.
    """

    def __init__(self, store: MessageStore) -> None:
        self._store = store

    async def get(self, tx: Transaction, organization_id: str, message_id: str) -> Message:
        """One message. Raises `MessageNotFound`."""
        found = await self._store.get(tx, organization_id, [message_id])
        if message_id not in found:
            raise MessageNotFound(message_id)
        return found[message_id]

    async def get_in_order(self, tx: Transaction, organization_id: str, ids: Sequence[str]) -> list[Message]:
        """The messages with these ids, in their order; those that are gone are left out."""
        found = await self._store.get(tx, organization_id, ids) if ids else {}
        return [found[message_id] for message_id in ids if message_id in found]

    async def list_of(
        self, tx: Transaction, organization_id: str, owner: Mapping[str, str], page: Page
    ) -> list[Message]:
        """Messages of an agent, a run or a step: `owner` is {"agent_id": …} and so on; empty: of the organisation.

        Raises `CursorNotFound` for a cursor that is not in the list. One statement, two with cursors.
        """
        cursors = _cursors(page)
        found = await self._store.sequences(tx, organization_id, cursors, owner) if cursors else {}
        return await self._store.list_of(tx, organization_id, owner, _bounds(page, found))

    async def list_of_conversation(
        self, tx: Transaction, organization_id: str, conversation_id: str, page: Page, *, group_id: str = ""
    ) -> list[Message]:
        """Messages of a conversation; none where it does not exist. Errors and statements as `list_of`."""
        cursors = _cursors(page)
        found = await self._store.positions(tx, organization_id, conversation_id, cursors) if cursors else {}
        bounds = _bounds(page, found)
        return await self._store.list_of_conversation(tx, organization_id, conversation_id, group_id, bounds)

    async def read_window(self, tx: Transaction, organization_id: str, conversation_id: str) -> list[Message]:
        """The context window of a conversation as the model sees it, oldest first. One statement."""
        return [message for message, _ in await self.read_ranked_window(tx, organization_id, conversation_id)]

    async def read_ranked_window(
        self, tx: Transaction, organization_id: str, conversation_id: str
    ) -> list[tuple[Message, int]]:
        """As `read_window`, with the rank of each message."""
        shown = await self._store.read_window(tx, organization_id, conversation_id)
        return [
            (one.message if one.clipped_to is None else clip_returns(one.message, one.clipped_to), one.rank)
            for one in shown
        ]


def _cursors(page: Page) -> list[str]:
    return [cursor for cursor in (page.after, page.before) if cursor]


def _bounds(page: Page, found: Mapping[str, int]) -> Bounds:
    for cursor in _cursors(page):
        if cursor not in found:
            raise CursorNotFound(f"There is no message '{cursor}' to page from.")
    return Bounds(page.limit, found.get(page.after), found.get(page.before), page.descending)
