"""What a call of a trivial tool costs, through the typed service."""

import subprocess
import sys
import time

from bench.figures import Row, ms, percentile
from bench.turns import measure
from perdure.tools.v1.tool_service_pb2 import ExecuteRequest, UpsertToolRequest
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub
from services.common.caller import DEFAULT_ORGANIZATION_ID, DEFAULT_USER_ID
from services.common.channels import open_channel

SOURCE = '''
def add_one(x: int) -> int:
    """Adds one.

    Args:
        x (int): A number.
    """
    return x + 1
'''
COLD_STARTS = 20


async def measure_tools(target: str) -> list[Row]:
    """Rows for one call after the other, and for 8 at once; `target`: the service, as gRPC names it."""
    async with open_channel(target) as channel:
        stub = ToolServiceStub(channel)
        new = UpsertToolRequest(organization_id=DEFAULT_ORGANIZATION_ID, user_id=DEFAULT_USER_ID, source_code=SOURCE)
        tool_id = (await stub.UpsertTool(new)).tool.definition.id
        request = ExecuteRequest(organization_id=DEFAULT_ORGANIZATION_ID, tool_id=tool_id, arguments='{"x": 1}')

        async def execute(_: int) -> None:
            events = [event async for event in stub.Execute(request)]
            if events[-1].tool_return.value != "2":
                raise RuntimeError(f"the tool answered {events[-1]}")

        await execute(0)
        times, _ = await measure(execute, 1)
        _, rate = await measure(execute, 8)
    cold = ms(percentile(_cold_starts(), 50))
    return [
        Row("a call, p50 (floor: python -c pass)", ms(percentile(times, 50)), cold, "≤ 10 ms"),
        Row("a call, p99", ms(percentile(times, 99)), "", "≤ 25 ms"),
        Row("calls per second, 8 at once", f"{rate:.0f}", "", "≥ 150"),
    ]


def _cold_starts() -> list[float]:
    times = []
    for _ in range(COLD_STARTS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        times.append(time.perf_counter() - began)
    return times
