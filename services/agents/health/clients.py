"""The tools service, as health asks it."""

import grpc

from perdure.tools.v1.tool_service_pb2 import GetSandboxRequest
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from services.common.status import rpc_errors
from services.contract.health import ToolSandbox

TIMEOUT_S = 0.3  # seconds; health is asked often, by callers that do not wait long


class SandboxClient:
    """Tools at the other end of a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = ToolServiceStub(channel)

    async def sandbox(self) -> ToolSandbox:
        """What keeps tools from the rest of the machine. Raises `PerdureError`."""
        with rpc_errors():
            answer = await self._stub.GetSandbox(GetSandboxRequest(), timeout=TIMEOUT_S)
        if not answer.layers:
            return ToolSandbox(status="not_started")
        return ToolSandbox(status="ok" if answer.are_enough else "insufficient", layers=list(answer.layers))
