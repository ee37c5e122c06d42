"""Blocks: labelled pieces of memory, shared by any number of agents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.agents.paging import Page
from services.common import ids
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.common.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from services.contract.blocks import Block, CreateBlock, UpdateBlock

MAX_LABEL_CHARS = 200  # an index entry of Postgres holds 2,704 bytes
_DESCRIPTIONS = {  # of blocks made without one, by label
    "human": "The human block: what you know about the person you talk with, so that you can treat them as someone "
    "you know.",
    "persona": "The persona block: who you are and how you speak, so that you stay the same from one conversation to "
    "the next.",
}


class BlockNotFound(NotFound):
    """There is no such block."""

    reason = "BLOCK_NOT_FOUND"


class BlockTooLong(InvalidArgument):
    """The value does not fit into the block."""

    reason = "BLOCK_TOO_LONG"


class BadLabel(InvalidArgument):
    """The label cannot name an element of a system message."""

    reason = "BAD_LABEL"


class DuplicateLabel(AlreadyExists):
    """An agent has one block of each label."""

    reason = "DUPLICATE_LABEL"


class BlockChanged(Conflict):
    """Someone else changed the block in between."""

    reason = "BLOCK_CHANGED"


@dataclass(frozen=True)
class StoredBlock:
    """A block with the number of its present version."""

    block: Block
    version: int


@dataclass(frozen=True)
class BlockFilter:
    """Which blocks a list has. Empty texts and lists leave nothing out; `agent_counts` are exact numbers of agents."""

    label: str = ""
    label_search: str = ""
    description_search: str = ""
    value_search: str = ""
    name: str = ""
    project_id: str = ""
    identity_id: str = ""
    identifier_keys: Sequence[str] = ()
    templates_only: bool = False
    tags: Sequence[str] = ()
    match_all_tags: bool = False
    more_agents_than: int | None = None
    fewer_agents_than: int | None = None
    agent_counts: Sequence[int] = ()


@dataclass(frozen=True)
class BlockChange:
    """Fields of `Block` with their new values, and the id of the user or agent who changes them."""

    values: dict[str, Any]  # Any: values of every field of Block
    by: str


class Store(Protocol):
    """Where blocks are kept. Every method runs in the transaction of its caller."""

    async def insert(self, tx: Transaction, organization_id: str, user_id: str, new: Sequence[Block]) -> None:
        """Adds blocks."""

    async def find(
        self, tx: Transaction, organization_id: str, block_ids: Sequence[str], *, lock: bool = False
    ) -> dict[str, StoredBlock]:
        """The blocks that exist, by id; `lock` keeps others from changing them until the transaction ends."""

    async def list_page(self, tx: Transaction, organization_id: str, wanted: BlockFilter, page: Page) -> list[Block]:
        """A page of blocks, by creation."""

    async def count(self, tx: Transaction, organization_id: str, wanted: BlockFilter) -> int:
        """How many blocks there are."""

    async def change(
        self, tx: Transaction, organization_id: str, block_id: str, change: BlockChange, *, version: int | None = None
    ) -> StoredBlock:
        """Changes a block and keeps what it held. Raises `BlockChanged` if `version` is given and an old one."""

    async def delete(self, tx: Transaction, organization_id: str, block_id: str) -> None:
        """Deletes a block, also from its agents."""

    async def agents_of(self, tx: Transaction, organization_id: str, block_id: str) -> list[str]:
        """The ids of the agents that have a block."""

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[StoredBlock]]:
        """The blocks of each agent, in their order there."""

    async def lock_of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> None:
        """Keeps others from changing the agent's blocks until the transaction ends."""

    async def attach(self, tx: Transaction, organization_id: str, agent_id: str, new: Sequence[Block]) -> None:
        """Gives blocks to an agent, after those it has. Raises `DuplicateLabel`."""

    async def detach(self, tx: Transaction, organization_id: str, agent_id: str, block_id: str) -> bool:
        """Takes a block from an agent, and says whether it had it."""


class Prompts(Protocol):
    """The system messages that show blocks."""

    async def refresh_own(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> None:
        """Compiles the system message of each agent's own history anew."""


class Blocks:
    """Blocks on their own, apart from agents."""

    def __init__(self, database: Database, store: Store, prompts: Prompts) -> None:
        self._database = database
        self._store = store
        self._prompts = prompts

    async def create(self, caller: Caller, request: CreateBlock) -> Block:
        """Adds a block. Raises `BlockTooLong`, `BadLabel`."""
        block = make_block(request)
        async with self._database.begin() as tx:
            await self._store.insert(tx, caller.organization_id, caller.user_id, [block])
        return block

    async def get(self, caller: Caller, block_id: str) -> Block:
        """One block. Raises `BlockNotFound`."""
        async with self._database.begin() as tx:
            return (await find_block(self._store, tx, caller.organization_id, block_id)).block

    async def list_page(self, caller: Caller, wanted: BlockFilter, page: Page) -> list[Block]:
        """A page of blocks, by creation."""
        async with self._database.begin() as tx:
            return await self._store.list_page(tx, caller.organization_id, wanted, page)

    async def count(self, caller: Caller, wanted: BlockFilter) -> int:
        """How many blocks there are."""
        async with self._database.begin() as tx:
            return await self._store.count(tx, caller.organization_id, wanted)

    async def update(self, caller: Caller, block_id: str, request: UpdateBlock) -> Block:
        """Changes the fields that were sent, for all who have the block.

        Raises `BlockNotFound`, `BlockTooLong`, `BadLabel`, `DuplicateLabel`.
        """
        async with self._database.begin() as tx:
            return await self.update_in(tx, caller, block_id, request)

    async def update_in(self, tx: Transaction, caller: Caller, block_id: str, request: UpdateBlock) -> Block:
        """As `update`, in a transaction of the caller's."""
        stored = await find_block(self._store, tx, caller.organization_id, block_id, lock=True)
        values = request.model_dump(exclude_unset=True, exclude_none=True)
        if "label" in values:
            check_label(values["label"])
        check_length(stored.block.model_copy(update=values))
        change = BlockChange(values, by=caller.user_id)
        changed = await self._store.change(tx, caller.organization_id, block_id, change)
        await self._prompts.refresh_own(
            tx, caller.organization_id, await self._store.agents_of(tx, caller.organization_id, block_id)
        )
        return changed.block

    async def delete(self, caller: Caller, block_id: str) -> None:
        """Deletes a block, also from its agents. Raises `BlockNotFound`."""
        async with self._database.begin() as tx:
            await find_block(self._store, tx, caller.organization_id, block_id, lock=True)
            agent_ids = await self._store.agents_of(tx, caller.organization_id, block_id)
            await self._store.delete(tx, caller.organization_id, block_id)
            await self._prompts.refresh_own(tx, caller.organization_id, agent_ids)


async def find_block(
    store: Store, tx: Transaction, organization_id: str, block_id: str, *, lock: bool = False
) -> StoredBlock:
    """One block. Raises `BlockNotFound`."""
    [found] = await find_blocks(store, tx, organization_id, [block_id], lock=lock)
    return found


async def find_blocks(
    store: Store, tx: Transaction, organization_id: str, block_ids: Sequence[str], *, lock: bool = False
) -> list[StoredBlock]:
    """The blocks in the order of their ids, none twice; one statement, none for none. Raises `BlockNotFound`."""
    found = await store.find(tx, organization_id, block_ids, lock=lock) if block_ids else {}
    for block_id in block_ids:
        if block_id not in found:
            raise BlockNotFound(f"There is no block {block_id}.")
    return [found[block_id] for block_id in dict.fromkeys(block_ids)]


async def copy_blocks(store: Store, tx: Transaction, caller: Caller, originals: Sequence[Block]) -> list[str]:
    """Adds a copy of each block; the copies' ids. One statement, none for no blocks."""
    copies = [block.model_copy(update={"id": ids.new_id("block")}) for block in originals]
    await store.insert(tx, caller.organization_id, caller.user_id, copies)
    return [copy.id for copy in copies]


def make_block(request: CreateBlock) -> Block:
    """A new block, with a description where its label has one. Raises `BlockTooLong`, `BadLabel`."""
    check_label(request.label)
    block = Block(**request.model_dump(exclude={"tags"}), id=ids.new_id("block"), tags=request.tags or [])
    if block.description is None:
        block.description = _DESCRIPTIONS.get(request.label)
    check_length(block)
    return block


def check_label(label: str) -> None:
    """Raises `BadLabel` for one that would break the form of the system message, where each block is an element."""
    if not label.strip() or not label.isprintable() or set("<>") & set(label):
        raise BadLabel(f"The label {label[:MAX_LABEL_CHARS]!r} is not one line of text without '<' and '>'.")
    if len(label) > MAX_LABEL_CHARS:
        raise BadLabel(f"The label has {len(label)} characters; {MAX_LABEL_CHARS} are the most.")


def check_length(block: Block) -> None:
    """Raises `BlockTooLong` if the value is over the limit."""
    if len(block.value) > block.limit:
        raise BlockTooLong(
            f"The value of block {block.label!r} has {len(block.value)} characters, but its limit is {block.limit}."
        )
