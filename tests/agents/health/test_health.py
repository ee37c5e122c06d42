"""What the server says of itself."""

import asyncio
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from perdure.agents.v1.agent_rest_pb2 import GetHealthQuery
from perdure.tools.v1.tool_service_pb2 import GetSandboxRequest, GetSandboxResponse
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceServicer, add_ToolServiceServicer_to_server
from services.agents.health.clients import SandboxClient
from services.agents.health.rest import HealthOperations
from services.common.caller import Caller
from services.common.channels import open_channel
from services.common.errors import DeadlineExceeded, PerdureError
from services.common.patience import keep_trying
from services.contract.health import ToolSandbox
from tests.agents.neighbours import serve
from tests.agents.service import TIMEOUT_S, Api, Service
from tests.e2e.waiting import eventually

SOON_S = 20.0  # seconds; health gives tools a fraction of one, and a client that waits for a service has minutes
OK = {"version": version("perdure"), "status": "ok"}


async def test_health_tells_how_tools_are_shut_in(api: Api) -> None:
    answers: list[Any] = []

    async def are_tools_reached() -> bool:
        answers.append(await api.call("GetHealth"))
        return bool(answers[-1]["tool_sandbox"]["status"] != "unreachable")

    await eventually(are_tools_reached)  # they are given a fraction of a second

    assert answers[-1] == {**OK, "tool_sandbox": {"status": "ok", "layers": ["landlock 7", "seccomp"]}}


async def test_readiness_needs_the_database(api: Api) -> None:
    assert await api.call("GetReadiness") == OK


async def test_health_is_ok_without_tools_and_says_so_soon(service: Service, tmp_path: Path) -> None:
    async with open_channel(f"unix:{tmp_path}/nobody") as channel:
        operations = HealthOperations(service.database, SandboxClient(channel))

        async with asyncio.timeout(SOON_S):
            answer = await operations.get_health(Caller(), GetHealthQuery(), None)

    assert (answer.status, answer.tool_sandbox) == ("ok", ToolSandbox(status="unreachable"))


def is_late(error: PerdureError) -> bool:
    return isinstance(error, DeadlineExceeded)


class Sandboxed(ToolServiceServicer):
    """A tools service with such a sandbox."""

    def __init__(self, answer: GetSandboxResponse) -> None:
        self._answer = answer

    async def GetSandbox(self, request: GetSandboxRequest, context: Any) -> GetSandboxResponse:  # noqa: N802
        return self._answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (GetSandboxResponse(), ToolSandbox(status="not_started")),
        (GetSandboxResponse(layers=["seccomp"]), ToolSandbox(status="insufficient", layers=["seccomp"])),
    ],
)
async def test_health_tells_of_a_sandbox_that_does_not_shut_in(
    tmp_path: Path, answer: GetSandboxResponse, expected: ToolSandbox
) -> None:
    tools = Sandboxed(answer)  # type: ignore[abstract]  # health asks for nothing else
    server = await serve(f"unix:{tmp_path}/tools", partial(add_ToolServiceServicer_to_server, tools))

    async with open_channel(f"unix:{tmp_path}/tools") as channel:
        client = SandboxClient(channel)
        told = await keep_trying(client.sandbox, is_late, patience_s=TIMEOUT_S, pause_s=0.1)

    await server.stop(None)
    assert told == expected
