"""What the server says of itself."""

import time
from importlib.metadata import version
from pathlib import Path

from perdure.agents.v1.rest_pb2 import GetHealthQuery
from services.agents.health.clients import TIMEOUT_S, SandboxClient
from services.agents.health.rest import HealthOperations
from services.common.caller import Caller
from services.common.channels import open_channel
from services.contract.health import ToolSandbox
from tests.agents.service import Api, Service

OK = {"version": version("perdure"), "status": "ok"}


async def test_health_tells_how_tools_are_shut_in(api: Api) -> None:
    answer = await api.call("GetHealth")

    assert answer == {**OK, "tool_sandbox": {"status": "ok", "layers": ["landlock 7", "seccomp"]}}


async def test_readiness_needs_the_database(api: Api) -> None:
    assert await api.call("GetReadiness") == OK


async def test_health_is_ok_without_tools_and_says_so_soon(service: Service, tmp_path: Path) -> None:
    async with open_channel(f"unix:{tmp_path}/nobody") as channel:
        began = time.monotonic()

        answer = await HealthOperations(service.database, SandboxClient(channel)).get_health(
            Caller(), GetHealthQuery(), None
        )

    assert time.monotonic() - began < 2 * TIMEOUT_S
    assert (answer.status, answer.tool_sandbox) == ("ok", ToolSandbox(status="unreachable"))
