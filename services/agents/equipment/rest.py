"""The REST operations of calling an agent's tools."""

from perdure.agents.v1 import agent_rest_pb2 as rest
from services.agents.equipment.direct_calls import DirectCalls
from services.common.caller import Caller
from services.contract.mcp import ToolArguments, ToolExecutionResult


class DirectCallOperations:
    """What `/v1/agents/{agent_id}/tools/{tool_name}/run` does."""

    def __init__(self, calls: DirectCalls) -> None:
        self._calls = calls

    async def run_agent_tool(
        self, caller: Caller, query: rest.RunAgentToolQuery, body: ToolArguments
    ) -> ToolExecutionResult:
        """Runs a tool."""
        return await self._calls.run(caller, query.agent_id, query.tool_name, body.args)
