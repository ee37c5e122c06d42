"""Calls of an agent's tools by the API, outside of any turn: nothing of them stands in a history."""

from collections.abc import Mapping
from json import dumps
from typing import Protocol

import orjson
from pydantic import JsonValue

from perdure.conversation.v1.message_pb2 import TOOL_STATUS_SUCCESS, ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import TOOL_KIND_MEMORY, TOOL_KIND_SERVER, ToolDefinition
from services.agents.agents.agents import Agents, Stores
from services.agents.archives.embedding import Embedding, Vectors
from services.agents.equipment.equipment import ToolNotGiven
from services.agents.memory.calls import MemoryCalls
from services.agents.memory.workbench import CallingAgent
from services.common.caller import Caller
from services.common.database import Database
from services.common.errors import InvalidArgument
from services.common.ids import new_id
from services.contract.json_object import JsonObject
from services.contract.mcp import ToolExecutionResult


class OnlyInTurns(InvalidArgument):
    """The tool works within a turn of the agent only."""

    reason = "TOOL_ONLY_IN_TURNS"


class ToolRunner(Protocol):
    """Runs tools that are not the agents service's own."""

    async def run(
        self, organization_id: str, agent_id: str, tool_id: str, call: ToolCall, environment: Mapping[str, str]
    ) -> tuple[ToolReturn, str]:
        """The return of a call, and its value as JSON where it has that form. Raises `PerdureError`."""


class DirectCalls:
    """Runs a tool with the agent's memory and variables, as the agent would."""

    def __init__(
        self,
        database: Database,
        stores: Stores,
        agents: Agents,
        *,
        memory: MemoryCalls,
        embedding: Embedding,
        runner: ToolRunner,
    ) -> None:
        self._database = database
        self._stores = stores
        self._agents = agents
        self._memory = memory
        self._embedding = embedding
        self._runner = runner

    async def run(self, caller: Caller, agent_id: str, tool_name: str, arguments: JsonObject) -> ToolExecutionResult:
        """How a call ended, also in failure. Raises `AgentNotFound`, `ToolNotGiven`, `OnlyInTurns`."""
        tool, environment = await self._find(caller, agent_id, tool_name)
        call = ToolCall(id=new_id("call"), name=tool_name, arguments=dumps(arguments))
        if tool.kind == TOOL_KIND_MEMORY:
            return await self._run_in_memory(caller, agent_id, call)
        if tool.kind != TOOL_KIND_SERVER:
            raise OnlyInTurns(f"{tool_name} starts runs of other agents, so it runs only within a run of this one.")
        returned, json = await self._runner.run(caller.organization_id, agent_id, tool.id, call, environment)
        return _result(returned, orjson.loads(json) if json else returned.value)

    async def _find(self, caller: Caller, agent_id: str, tool_name: str) -> tuple[ToolDefinition, dict[str, str]]:
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id)
            tools = (await self._stores.tools.of_agents(tx, caller.organization_id, [agent_id]))[agent_id]
            variables = (await self._stores.variables.of_agents(tx, caller.organization_id, [agent_id]))[agent_id]
        for tool in tools:
            if tool.name == tool_name:
                return tool, {variable.key: variable.value for variable in variables}
        raise ToolNotGiven(agent_id, tool_name)

    async def _run_in_memory(self, caller: Caller, agent_id: str, call: ToolCall) -> ToolExecutionResult:
        agent = CallingAgent(caller.organization_id, agent_id, conversation_id=agent_id)

        async def work(vectors: Vectors) -> ToolReturn:
            async with self._database.begin() as tx:
                returns = await self._memory.run(tx, agent, [call], vectors)
                if self._memory.changes_prompt(returns):
                    await self._memory.renew_prompt(tx, agent)
                return returns[0]

        returned = await self._embedding.run(work)
        return _result(returned, returned.value)


def _result(returned: ToolReturn, value: JsonValue) -> ToolExecutionResult:
    return ToolExecutionResult(
        status="success" if returned.status == TOOL_STATUS_SUCCESS else "error",
        func_return=value,
        stdout=list(returned.stdout),
        stderr=list(returned.stderr),
    )
