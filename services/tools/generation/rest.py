"""The function behind the REST operation of writing tools."""

from perdure.tools.v1.tool_rest_pb2 import GenerateToolQuery
from services.common.caller import Caller
from services.contract.generation import GeneratedTool, GenerateTool
from services.tools.generation.generation import Generation
from services.tools.owner import Owner


class GenerationRest:
    """What `/v1/tools/generate-tool` does."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    async def generate_tool(self, caller: Caller, query: GenerateToolQuery, body: GenerateTool) -> GeneratedTool:
        """Has a model write a tool."""
        return await self._generation.generate(Owner.of(caller), body)
