"""The core memory of one agent: the blocks that stand in its prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.agents.agents import relations
from services.agents.agents.agents import Agents
from services.agents.memory.blocks import (
    BlockChange,
    BlockChanged,
    Blocks,
    Store,
    StoredBlock,
    check_length,
    find_block,
)
from services.agents.memory.system_prompts import SystemPrompts
from services.agents.memory.workbench import ReadOnlyBlock
from services.agents.paging import Page, cut_list
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.common.errors import NotFound
from services.contract.agents import AgentState
from services.contract.blocks import Block, Memory, UpdateBlock


@dataclass(frozen=True)
class TextChange:
    """A new text of the block with a label, and the text that it must have now."""

    label: str
    before: str
    after: str


class LabelNotFound(NotFound):
    """The agent has no block with this label."""

    reason = "BLOCK_NOT_FOUND"


class CoreMemory:
    """Blocks by agent and label."""

    def __init__(
        self, database: Database, store: Store, agents: Agents, blocks: Blocks, prompts: SystemPrompts
    ) -> None:
        self._database = database
        self._store = store
        self._agents = agents
        self._blocks = blocks
        self._prompts = prompts

    async def get(self, caller: Caller, agent_id: str) -> Memory:
        """All blocks of an agent. Raises `AgentNotFound`."""
        async with self._database.begin() as tx:
            agent = await self._agents.find(tx, caller.organization_id, agent_id)
            return Memory(
                agent_type=agent.agent_type, blocks=await self._of_agent(tx, caller.organization_id, agent_id)
            )

    async def list_page(self, caller: Caller, agent_id: str, page: Page) -> list[Block]:
        """A page of an agent's blocks, by when it got them. Raises `AgentNotFound`, `CursorNotFound`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id)
            blocks = {block.id: block for block in await self._of_agent(tx, caller.organization_id, agent_id)}
        return [blocks[block_id] for block_id in cut_list(list(blocks), page)]

    async def get_block(self, caller: Caller, agent_id: str, label: str) -> Block:
        """The block with a label. Raises `AgentNotFound`, `LabelNotFound`."""
        async with self._database.begin() as tx:
            return await self._find(tx, caller, agent_id, label)

    async def update_block(self, caller: Caller, agent_id: str, label: str, request: UpdateBlock) -> Block:
        """Changes the fields that were sent, for all who have the block.

        Raises `AgentNotFound`, `LabelNotFound`, `BlockTooLong`.
        """
        async with self._database.begin() as tx:
            block = await self._find(tx, caller, agent_id, label)
            return await self._blocks.update_in(tx, caller, block.id, request)

    async def rewrite(self, organization_id: str, agent_id: str, changes: Sequence[TextChange]) -> None:
        """Gives blocks new texts on behalf of the agent, all or none.

        Raises `AgentNotFound`, `LabelNotFound`, `ReadOnlyBlock`, `BlockTooLong`, `BlockChanged`.
        """
        async with self._database.begin() as tx:
            await self._agents.find(tx, organization_id, agent_id)
            await self._store.lock_of_agent(tx, organization_id, agent_id)
            own = await self._store.of_agents(tx, organization_id, [agent_id])
            stored, outdated = {one.block.label: one for one in own[agent_id]}, set[str]()
            for change in changes:
                if change.label not in stored:
                    raise LabelNotFound(f"Agent {agent_id} has no block with the label {change.label!r}.")
                outdated |= await self._rewrite_one(tx, organization_id, agent_id, stored[change.label], change)
            await self._prompts.refresh_own(tx, organization_id, sorted(outdated))

    async def _rewrite_one(
        self, tx: Transaction, organization_id: str, agent_id: str, stored: StoredBlock, change: TextChange
    ) -> set[str]:
        """Gives a block a new text; the agents that have the block."""
        if stored.block.read_only:
            raise ReadOnlyBlock(f"Block {change.label!r} is read-only.")
        if stored.block.value != change.before:
            raise BlockChanged(f"Block {change.label!r} was changed by somebody else meanwhile.")
        check_length(stored.block.model_copy(update={"value": change.after}))
        new = BlockChange({"value": change.after}, by=agent_id)
        await self._store.change(tx, organization_id, stored.block.id, new, version=stored.version)
        return set(await self._store.agents_of(tx, organization_id, stored.block.id))

    async def attach(self, caller: Caller, agent_id: str, block_id: str) -> AgentState:
        """Gives an agent a block; one that it has stays. Raises `AgentNotFound`, `BlockNotFound`, `DuplicateLabel`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id, lock=True)
            stored = await find_block(self._store, tx, caller.organization_id, block_id)
            if block_id not in [block.id for block in await self._of_agent(tx, caller.organization_id, agent_id)]:
                await self._store.attach(tx, caller.organization_id, agent_id, [stored.block])
                await self._prompts.refresh_own(tx, caller.organization_id, [agent_id])
        return await self._agents.get(caller, agent_id, relations.ALL)

    async def detach(self, caller: Caller, agent_id: str, block_id: str) -> AgentState:
        """Takes a block from an agent; the block stays. Raises `AgentNotFound`, `BlockNotFound`."""
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id, lock=True)
            await find_block(self._store, tx, caller.organization_id, block_id)
            if await self._store.detach(tx, caller.organization_id, agent_id, block_id):
                await self._prompts.refresh_own(tx, caller.organization_id, [agent_id])
        return await self._agents.get(caller, agent_id, relations.ALL)

    async def _find(self, tx: Transaction, caller: Caller, agent_id: str, label: str) -> Block:
        await self._agents.find(tx, caller.organization_id, agent_id)
        for block in await self._of_agent(tx, caller.organization_id, agent_id):
            if block.label == label:
                return block
        raise LabelNotFound(f"Agent {agent_id} has no block with the label {label!r}.")

    async def _of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> list[Block]:
        return [stored.block for stored in (await self._store.of_agents(tx, organization_id, [agent_id]))[agent_id]]
