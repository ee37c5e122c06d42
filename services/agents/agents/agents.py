"""Agents: made, read, listed, changed, deleted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents import relations
from services.agents.agents.approval_rules import follow_defaults
from services.agents.agents.creation import Creation, NewAgent, chosen_folders
from services.agents.agents.filter import AgentFilter
from services.agents.agents.first_messages import first_messages
from services.agents.agents.relations import LoadedAgents, Relations
from services.agents.memory.blocks import find_blocks
from services.agents.memory.system_prompts import SystemPrompts
from services.agents.messages.drafts import Origin
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.common.errors import NotFound
from services.contract.agents import AgentState, CreateAgent
from services.contract.tool_rules import ToolRule


class AgentNotFound(NotFound):
    """There is no such agent."""

    reason = "AGENT_NOT_FOUND"


class Store(Protocol):
    """Where agents are kept. Every method runs in the transaction of its caller; agents come without relations."""

    async def insert(self, tx: Transaction, organization_id: str, agent: AgentState) -> None:
        """Adds an agent."""

    async def find(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str], *, lock: bool = False
    ) -> dict[str, AgentState]:
        """The agents that exist, by id; `lock` keeps others from changing them until the transaction ends."""

    async def list_page(
        self, tx: Transaction, organization_id: str, wanted: AgentFilter, page: Page, order_by: str
    ) -> list[AgentState]:
        """A page of agents."""

    async def count(self, tx: Transaction, organization_id: str, wanted: AgentFilter) -> int:
        """How many agents there are."""

    async def change(self, tx: Transaction, organization_id: str, agent_id: str, values: Mapping[str, Any]) -> None:
        """Changes fields of an agent."""

    async def delete(self, tx: Transaction, organization_id: str, agent_id: str) -> bool:
        """Deletes an agent, and says whether there was one."""


class AgentTools(relations.AgentTools, Protocol):
    """Which tools agents have."""

    async def attach(
        self, tx: Transaction, organization_id: str, agent_id: str, tools: Sequence[ToolDefinition]
    ) -> list[ToolDefinition]:
        """Gives tools to an agent, after those it has; one that it has stays as it is. Those that are new to it."""

    async def detach(self, tx: Transaction, organization_id: str, agent_id: str, tool_id: str) -> None:
        """Takes a tool from an agent."""

    async def detach_others(self, tx: Transaction, organization_id: str, agent_id: str, kept: Sequence[str]) -> None:
        """Takes all tools from an agent but these."""

    async def waive_approval(
        self, tx: Transaction, organization_id: str, agent_id: str, tool_id: str, *, waived: bool
    ) -> None:
        """Says whether an agent calls a tool without the approval that the tool asks for by default."""

    async def find_renamed(
        self, tx: Transaction, organization_id: str, changed: Sequence[ToolDefinition]
    ) -> list[tuple[str, str, str]]:
        """Agents with a tool that has another name now: its old and its new name."""

    async def apply_changes(
        self, tx: Transaction, organization_id: str, changed: Sequence[ToolDefinition], deleted: Sequence[str]
    ) -> None:
        """Takes newer definitions over into every agent, and deleted tools away."""


class Tags(relations.Tags, Protocol):
    """Which tags agents have."""

    async def replace(self, tx: Transaction, organization_id: str, agent_id: str, tags: Iterable[str]) -> None:
        """Gives an agent exactly these tags."""


class Variables(relations.Variables, Protocol):
    """Which variables agents have."""

    async def replace(self, tx: Transaction, organization_id: str, agent_id: str, variables: Mapping[str, str]) -> None:
        """Gives an agent exactly these variables."""


class Folders(relations.Folders, Protocol):
    """What agents have of folders. Whoever changes it has locked the folders, and then the agent."""

    async def lock(self, tx: Transaction, organization_id: str, folder_ids: Sequence[str]) -> None:
        """Keeps others from changing folders until the transaction ends. Raises NotFound for one that is missing."""

    async def give(self, tx: Transaction, organization_id: str, agent: AgentState, folder_ids: Sequence[str]) -> None:
        """Gives an agent folders, and opens their files."""

    async def replace(
        self, tx: Transaction, organization_id: str, agent: AgentState, folder_ids: Sequence[str]
    ) -> None:
        """Gives an agent exactly these folders."""

    async def fit(self, tx: Transaction, organization_id: str, agent: AgentState) -> None:
        """Brings open files into line with the agent's limits, after they have changed."""


class Archives(Protocol):
    """What agents remember outside their prompts."""

    async def count_passages(self, tx: Transaction, organization_id: str, agent_id: str) -> int:
        """How many passages the archives of an agent hold."""

    async def delete_of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> None:
        """Deletes the archive made for an agent, unless others have it too."""


@dataclass(frozen=True)
class Stores(relations.Stores):
    """Where agents and what belongs to them are kept."""

    agents: Store
    archives: Archives
    tools: AgentTools
    tags: Tags
    variables: Variables
    folders: Folders


class Agents:
    """The agents of all organisations."""

    def __init__(
        self, database: Database, stores: Stores, relations: Relations, creation: Creation, prompts: SystemPrompts
    ) -> None:
        self._database = database
        self._stores = stores
        self._relations = relations
        self._creation = creation
        self._prompts = prompts

    async def create(self, caller: Caller, request: CreateAgent) -> AgentState:
        """Makes an agent, with its relations filled.

        Raises what `Creation.prepare` raises, `BlockNotFound`, `FolderNotFound`.
        """
        new = await self._creation.prepare(caller, request)
        async with self._database.begin() as tx:
            await self._stores.folders.lock(tx, caller.organization_id, chosen_folders(request) or [])
            await self._stores.agents.insert(tx, caller.organization_id, new.state)
            await self._add_relations(tx, caller, new, request)
            await self._open_history(tx, caller.organization_id, new.state, request)
            loaded = await self._relations.load(tx, caller.organization_id, [new.state], relations.ALL)
        [agent] = await self._relations.show_tools(caller.organization_id, loaded)
        return agent

    async def _add_relations(self, tx: Transaction, caller: Caller, new: NewAgent, request: CreateAgent) -> None:
        organization_id, agent_id = caller.organization_id, new.state.id
        shared = await find_blocks(self._stores.blocks, tx, organization_id, request.block_ids or [])
        await self._stores.blocks.insert(tx, organization_id, caller.user_id, new.blocks)
        await self._stores.blocks.attach(
            tx, organization_id, agent_id, [*new.blocks, *(stored.block for stored in shared)]
        )
        await self._stores.tools.attach(tx, organization_id, agent_id, new.tools)
        await self._stores.folders.give(tx, organization_id, new.state, chosen_folders(request) or [])
        await self._stores.tags.replace(tx, organization_id, agent_id, request.tags or [])
        variables = (request.tool_exec_environment_variables or {}) | (request.secrets or {})
        await self._stores.variables.replace(tx, organization_id, agent_id, variables)

    async def _open_history(
        self, tx: Transaction, organization_id: str, agent: AgentState, request: CreateAgent
    ) -> None:
        assert agent.created_at is not None  # a new agent has its dates
        origin = Origin(agent_id=agent.id, conversation_id=agent.id, made_at=agent.created_at)
        system = await self._prompts.compile_for(tx, organization_id, agent.id, agent.id)
        timezone, sent = agent.timezone or "UTC", request.initial_message_sequence
        messages = first_messages(origin, system, agent.agent_type, timezone, sent)
        await self._stores.history.open_own(tx, organization_id, agent.id, messages)

    async def get(self, caller: Caller, agent_id: str, wanted: frozenset[str]) -> AgentState:
        """One agent with the wanted relations. Raises `AgentNotFound`."""
        async with self._database.begin() as tx:
            loaded = await self.load(tx, caller, agent_id, wanted)
        [agent] = await self._relations.show_tools(caller.organization_id, loaded)
        return agent

    async def load(self, tx: Transaction, caller: Caller, agent_id: str, wanted: frozenset[str]) -> LoadedAgents:
        """As `get`, in a transaction of the caller's, without tools."""
        agent = await self.find(tx, caller.organization_id, agent_id)
        return await self._relations.load(tx, caller.organization_id, [agent], wanted)

    async def find(self, tx: Transaction, organization_id: str, agent_id: str, *, lock: bool = False) -> AgentState:
        """One agent without relations. Raises `AgentNotFound`."""
        found = await self._stores.agents.find(tx, organization_id, [agent_id], lock=lock)
        if agent_id not in found:
            raise AgentNotFound(f"There is no agent {agent_id}.")
        return found[agent_id]

    async def give_tools(
        self, tx: Transaction, caller: Caller, agent: AgentState, tools: Sequence[ToolDefinition]
    ) -> None:
        """Gives a locked agent tools, with the rules of those that ask for approval by default."""
        given = await self._stores.tools.attach(tx, caller.organization_id, agent.id, tools)
        await self.change_rules(tx, caller, agent, follow_defaults(agent.tool_rules or [], given))

    async def change_rules(self, tx: Transaction, caller: Caller, agent: AgentState, rules: Sequence[ToolRule]) -> None:
        """Gives a locked agent these rules, if they differ from its own."""
        if rules == agent.tool_rules:
            return
        values = {"tool_rules": [rule.model_dump() for rule in rules], "last_updated_by_id": caller.user_id}
        await self._stores.agents.change(tx, caller.organization_id, agent.id, values)
        await self._prompts.refresh_own(tx, caller.organization_id, [agent.id])

    async def list_page(
        self, caller: Caller, wanted: AgentFilter, page: Page, *, order_by: str, include: frozenset[str]
    ) -> list[AgentState]:
        """A page of agents with the relations in `include`. Raises `CursorNotFound`."""
        async with self._database.begin() as tx:
            agents = await self._stores.agents.list_page(tx, caller.organization_id, wanted, page, order_by)
            loaded = await self._relations.load(tx, caller.organization_id, agents, include)
        return await self._relations.show_tools(caller.organization_id, loaded)

    async def count(self, caller: Caller, wanted: AgentFilter) -> int:
        """How many agents there are."""
        async with self._database.begin() as tx:
            return await self._stores.agents.count(tx, caller.organization_id, wanted)

    async def delete(self, caller: Caller, agent_id: str) -> None:
        """Deletes an agent with its history and own archive, and ends its turns; its blocks stay.

        Raises `AgentNotFound`.
        """
        async with self._database.begin() as tx:
            await self.find(tx, caller.organization_id, agent_id)
            await self._stores.history.delete_of_agent(tx, caller.organization_id, agent_id)
            await self._stores.archives.delete_of_agent(tx, caller.organization_id, agent_id)
            await self._stores.agents.delete(tx, caller.organization_id, agent_id)
