"""Channels to other services: balanced over their replicas, and past those that are away.

A target names one replica or several: `unix:/a.sock,/b.sock`, `ipv4:10.0.0.1:50051,10.0.0.2:50051`, or `dns:///name:port`
for all that a name stands for. https://github.com/grpc/grpc/blob/master/doc/naming.md
"""

import json
from collections.abc import Iterable
from typing import Any, Self, cast

import grpc

from services.common import telemetry
from services.common.server import KEEPALIVE_MS, MAX_HEADERS_BYTES, MAX_MESSAGE_BYTES

UNARY_TIMEOUT_S = 30.0  # seconds; the deadline of calls that only touch our own databases

# What may be called again when the replica that was asked went away: reads, and writes that answer a repetition as they
# did the first time. Not Complete, which costs money, nor Execute, which acts: their callers decide.
_REPEATABLE = {
    "perdure.agents.v1.TurnService": ("BeginTurn", "CommitStep", "EndTurn"),
    "perdure.agents.v1.AgentService": ("GetAgent", "ListAgents", "ListMessages", "ApplyToolChanges"),
    "perdure.llm_router.v1.LlmRouterService": ("Embed", "ResolveModel", "ResolveEmbeddingModel", "ListModels"),
    "perdure.tools.v1.ToolService": ("GetTool", "ListTools", "DescribeTools", "UpsertTool"),
}
# https://github.com/grpc/proposal/blob/master/A6-client-retries.md
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],  # one connection through a ClusterIP would pin to one pod
    "methodConfig": [
        {
            "name": [
                {"service": name, "method": method} for name, methods in _REPEATABLE.items() for method in methods
            ],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_HEADERS_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_HEADERS_BYTES),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.http2.ping_timeout_ms", 10_000),  # of a replica that hangs, whoever asked it asks another then
    ("grpc.max_reconnect_backoff_ms", 1_000),  # a restarted service is found again within a second
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
)


def open_channel(target: str) -> grpc.aio.Channel:
    """A channel to all replicas that the target names. Each call says what it belongs to."""
    return cast(grpc.aio.Channel, _Telling(grpc.aio.insecure_channel(target, options=_OPTIONS)))


class _Telling:
    """A channel whose calls carry the ids of what is going on. Interceptors would cost 0.1 ms a call."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def __aenter__(self) -> Self:
        await self._channel.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._channel.close()

    def unary_unary(self, *method: Any, **options: Any) -> Any:  # Any: calls of every type
        """As the channel's."""
        return _telling(self._channel.unary_unary(*method, **options))

    def unary_stream(self, *method: Any, **options: Any) -> Any:  # Any: calls of every type
        """As the channel's."""
        return _telling(self._channel.unary_stream(*method, **options))

    def __getattr__(self, name: str) -> Any:  # Any: whatever else a channel has
        return getattr(self._channel, name)


def _telling(call: Any) -> Any:  # Any: a call of any type
    def tell(request: Any, *, metadata: Iterable[tuple[str, str]] = (), **options: Any) -> Any:
        return call(request, metadata=(*telemetry.send_ids(), *metadata), **options)

    return tell
