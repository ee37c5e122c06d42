"""The ids of a turn on their way from service to service."""

import json
import logging
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common import telemetry
from services.common.channels import open_channel
from services.common.server import ErrorInterceptor
from services.common.telemetry import JsonFormatter


class Logging(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # the package has no types
    """Writes a line in each call."""

    async def Check(self, request: Any, context: Any) -> health_pb2.HealthCheckResponse:  # noqa: N802  # the RPC's name
        logging.getLogger("neighbour").warning("asked")
        return health_pb2.HealthCheckResponse()


async def test_the_lines_of_other_services_carry_the_ids_of_the_turn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    health_pb2_grpc.add_HealthServicer_to_server(Logging(), server)
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    telemetry.request_id.set("req-1")
    telemetry.run_id.set("run-1")
    telemetry.attempt.set(2)
    telemetry.step_id.set("step-1")

    async with open_channel(f"unix:{tmp_path}/s") as channel:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    await server.stop(None)

    line = json.loads(next(text for text in caplog.text.splitlines() if '"asked"' in text))
    ids = {name: line.get(name) for name in ("request_id", "run_id", "attempt", "step_id")}
    assert ids == {"request_id": "req-1", "run_id": "run-1", "attempt": 2, "step_id": "step-1"}
