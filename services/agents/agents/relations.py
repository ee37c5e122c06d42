"""What belongs to agents and is shown with them: blocks, tools, folders, tags, variables, state of their history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents.catalogs import Tools
from services.agents.agents.history import History
from services.agents.memory import blocks
from services.common.caller import Caller
from services.common.database import Transaction
from services.contract.agents import AgentState, EnvironmentVariable
from services.contract.blocks import FileBlock
from services.contract.folders import Source
from services.contract.tools import Tool

ALL = frozenset(
    {
        "agent.blocks",
        "agent.identities",
        "agent.managed_group",
        "agent.pending_approval",
        "agent.secrets",
        "agent.sources",
        "agent.tags",
        "agent.tools",
    }
)
_OLDER_NAMES = {
    "memory": "agent.blocks",
    "blocks": "agent.blocks",
    "identity_ids": "agent.identities",
    "identities": "agent.identities",
    "multi_agent_group": "agent.managed_group",
    "managed_group": "agent.managed_group",
    "pending_approval": "agent.pending_approval",
    "secrets": "agent.secrets",
    "tool_exec_environment_variables": "agent.secrets",
    "sources": "agent.sources",
    "tags": "agent.tags",
    "tools": "agent.tools",
}


def wanted_relations(caller: Caller, include: Sequence[str], older: Sequence[str]) -> frozenset[str]:
    """The relations to fill; `older` are the names of `include_relationships`.

    When a request names none, callers of the 1.x SDK get none and others all.
    """
    if include or older:
        return frozenset(include) | {_OLDER_NAMES[name] for name in older if name in _OLDER_NAMES}
    return frozenset() if caller.is_v1_sdk else ALL


class AgentTools(Protocol):
    """Which tools agents have."""

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[ToolDefinition]]:
        """Each agent's tools in their order."""


class Tags(Protocol):
    """Which tags agents have."""

    async def of_agents(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> dict[str, list[str]]:
        """Each agent's tags by name."""


class Variables(Protocol):
    """Which variables agents have."""

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[EnvironmentVariable]]:
        """Each agent's variables by key, decrypted."""


class Folders(Protocol):
    """What agents have of folders."""

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[Source]]:
        """The folders of each agent, in the order in which it got them."""

    async def file_blocks(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[FileBlock]]:
        """The files of the folders of each agent that has some, as blocks."""


@dataclass(frozen=True)
class Stores:
    """Where the relations are kept."""

    blocks: blocks.Store
    tools: AgentTools
    tags: Tags
    variables: Variables
    folders: Folders
    history: History


@dataclass(frozen=True)
class LoadedAgents:
    """Agents whose tools are known by their ids only."""

    agents: Sequence[AgentState]
    tool_ids: Mapping[str, Sequence[str]]


class Relations:
    """Fills agents with their relations."""

    def __init__(self, stores: Stores, tools: Tools) -> None:
        self._stores = stores
        self._tools = tools

    async def load(
        self, tx: Transaction, organization_id: str, agents: Sequence[AgentState], wanted: frozenset[str]
    ) -> LoadedAgents:
        """Fills what this service stores: at most eight statements, however many agents."""
        agent_ids = [agent.id for agent in agents]
        if not agents:
            return LoadedAgents([], {})
        windows = await self._stores.history.own_windows(tx, organization_id, agent_ids)
        for agent in agents:
            agent.message_ids = windows.get(agent.id, [])
        if "agent.blocks" in wanted:
            await self._load_blocks(tx, organization_id, agents, agent_ids)
        if "agent.sources" in wanted:
            await self._load_sources(tx, organization_id, agents, agent_ids)
        if "agent.tags" in wanted:
            await self._load_tags(tx, organization_id, agents, agent_ids)
        if "agent.secrets" in wanted:
            await self._load_variables(tx, organization_id, agents, agent_ids)
        if "agent.pending_approval" in wanted:
            pending = await self._stores.history.pending_approvals(tx, organization_id, agent_ids)
            for agent in agents:
                agent.pending_approval = pending.get(agent.id)
        return LoadedAgents(
            agents, await self._tool_ids(tx, organization_id, agent_ids) if "agent.tools" in wanted else {}
        )

    async def _load_blocks(
        self, tx: Transaction, organization_id: str, agents: Sequence[AgentState], agent_ids: Sequence[str]
    ) -> None:
        found = await self._stores.blocks.of_agents(tx, organization_id, agent_ids)
        files = await self._stores.folders.file_blocks(tx, organization_id, agent_ids)
        for agent in agents:
            agent.memory.file_blocks = files.get(agent.id, [])
            agent.blocks = [stored.block for stored in found[agent.id]]
            agent.memory.blocks = agent.blocks

    async def _load_sources(
        self, tx: Transaction, organization_id: str, agents: Sequence[AgentState], agent_ids: Sequence[str]
    ) -> None:
        folders = await self._stores.folders.of_agents(tx, organization_id, agent_ids)
        for agent in agents:
            agent.sources = folders[agent.id]

    async def _load_tags(
        self, tx: Transaction, organization_id: str, agents: Sequence[AgentState], agent_ids: Sequence[str]
    ) -> None:
        tags = await self._stores.tags.of_agents(tx, organization_id, agent_ids)
        for agent in agents:
            agent.tags = tags[agent.id]

    async def _load_variables(
        self, tx: Transaction, organization_id: str, agents: Sequence[AgentState], agent_ids: Sequence[str]
    ) -> None:
        variables = await self._stores.variables.of_agents(tx, organization_id, agent_ids)
        for agent in agents:
            agent.secrets = agent.tool_exec_environment_variables = variables[agent.id]

    async def _tool_ids(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> dict[str, list[str]]:
        tools = await self._stores.tools.of_agents(tx, organization_id, agent_ids)
        return {agent_id: [tool.id for tool in tools[agent_id]] for agent_id in agent_ids}

    async def show_tools(self, organization_id: str, loaded: LoadedAgents) -> list[AgentState]:
        """Fills the tools, which another service keeps; outside any transaction. Tools that are gone are left out."""
        tool_ids = sorted({tool_id for ids in loaded.tool_ids.values() for tool_id in ids})
        shown: dict[str, Tool] = await self._tools.show(organization_id, tool_ids) if tool_ids else {}
        for agent in loaded.agents:
            ids = loaded.tool_ids.get(agent.id, ())
            agent.tools = [shown[tool_id] for tool_id in ids if tool_id in shown]
        return list(loaded.agents)
