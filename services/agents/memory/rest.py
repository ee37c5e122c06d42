"""The REST operations of blocks and of agents' core memory."""

from perdure.agents.v1 import memory_rest_pb2 as rest
from services.agents.agents.agents import Agents
from services.agents.agents.filter import AgentFilter
from services.agents.agents.relations import wanted_relations
from services.agents.memory.blocks import BlockFilter, Blocks
from services.agents.memory.core_memory import CoreMemory
from services.agents.paging import Page
from services.common.caller import Caller
from services.contract.agents import AgentState
from services.contract.blocks import Block, CreateBlock, Memory, UpdateBlock


class BlockOperations:
    """What `/v1/blocks` does."""

    def __init__(self, blocks: Blocks, agents: Agents) -> None:
        self._blocks = blocks
        self._agents = agents

    async def create_block(self, caller: Caller, _: rest.CreateBlockQuery, body: CreateBlock) -> Block:
        """Makes a block."""
        return await self._blocks.create(caller, body)

    async def list_blocks(self, caller: Caller, query: rest.ListBlocksQuery, _: None) -> list[Block]:
        """A page of blocks."""
        wanted = BlockFilter(
            label=query.label,
            label_search=query.label_search,
            description_search=query.description_search,
            value_search=query.value_search,
            name=query.name,
            project_id=query.project_id,
            identity_id=query.identity_id,
            identifier_keys=query.identifier_keys,
            templates_only=query.templates_only,
            tags=query.tags,
            match_all_tags=query.match_all_tags,
            more_agents_than=_number(query, "connected_to_agents_count_gt"),
            fewer_agents_than=_number(query, "connected_to_agents_count_lt"),
            agent_counts=query.connected_to_agents_count_eq,
        )
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        return await self._blocks.list_page(caller, wanted, page)

    async def count_blocks(self, caller: Caller, query: rest.CountBlocksQuery, _: None) -> int:
        """How many blocks there are."""
        wanted = BlockFilter(
            label=query.label,
            name=query.name,
            project_id=query.project_id,
            templates_only=query.templates_only,
            tags=query.tags,
            match_all_tags=query.match_all_tags,
        )
        return await self._blocks.count(caller, wanted)

    async def get_block(self, caller: Caller, query: rest.GetBlockQuery, _: None) -> Block:
        """One block."""
        return await self._blocks.get(caller, query.block_id)

    async def update_block(self, caller: Caller, query: rest.UpdateBlockQuery, body: UpdateBlock) -> Block:
        """Changes a block."""
        return await self._blocks.update(caller, query.block_id, body)

    async def delete_block(self, caller: Caller, query: rest.DeleteBlockQuery, _: None) -> None:
        """Deletes a block."""
        await self._blocks.delete(caller, query.block_id)

    async def list_block_agents(self, caller: Caller, query: rest.ListBlockAgentsQuery, _: None) -> list[AgentState]:
        """A page of the agents that have a block."""
        await self._blocks.get(caller, query.block_id)
        return await self._agents.list_page(
            caller,
            AgentFilter(block_id=query.block_id),
            Page(query.limit, query.before, query.after, descending=query.order == "desc"),
            order_by=query.order_by,
            include=wanted_relations(caller, query.include, query.include_relationships),
        )


def _number(query: rest.ListBlocksQuery, name: str) -> int | None:
    number: int = getattr(query, name)
    return number if query.HasField(name) else None  # type: ignore[arg-type]  # a name that the query has


class CoreMemoryOperations:
    """What `/v1/agents/{agent_id}/core-memory` does."""

    def __init__(self, core_memory: CoreMemory) -> None:
        self._core_memory = core_memory

    async def get_core_memory(self, caller: Caller, query: rest.GetCoreMemoryQuery, _: None) -> Memory:
        """All blocks of an agent."""
        return await self._core_memory.get(caller, query.agent_id)

    async def list_core_memory_blocks(
        self, caller: Caller, query: rest.ListCoreMemoryBlocksQuery, _: None
    ) -> list[Block]:
        """A page of an agent's blocks."""
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        return await self._core_memory.list_page(caller, query.agent_id, page)

    async def get_core_memory_block(self, caller: Caller, query: rest.GetCoreMemoryBlockQuery, _: None) -> Block:
        """One block of an agent."""
        return await self._core_memory.get_block(caller, query.agent_id, query.block_label)

    async def update_core_memory_block(
        self, caller: Caller, query: rest.UpdateCoreMemoryBlockQuery, body: UpdateBlock
    ) -> Block:
        """Changes a block of an agent."""
        return await self._core_memory.update_block(caller, query.agent_id, query.block_label, body)

    async def attach_core_memory_block(
        self, caller: Caller, query: rest.AttachCoreMemoryBlockQuery, _: None
    ) -> AgentState:
        """Gives an agent a block."""
        return await self._core_memory.attach(caller, query.agent_id, query.block_id)

    async def detach_core_memory_block(
        self, caller: Caller, query: rest.DetachCoreMemoryBlockQuery, _: None
    ) -> AgentState:
        """Takes a block from an agent."""
        return await self._core_memory.detach(caller, query.agent_id, query.block_id)
