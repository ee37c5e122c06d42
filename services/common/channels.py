"""Channels to other services."""

import grpc

from services.common.server import KEEPALIVE_MS, MAX_HEADERS_BYTES, MAX_MESSAGE_BYTES

UNARY_TIMEOUT_S = 30.0  # seconds; the deadline of calls that only touch our own databases
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_HEADERS_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_HEADERS_BYTES),
    ("grpc.lb_policy_name", "round_robin"),  # one connection through a ClusterIP would pin to one pod
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),  # a restarted service is found again within a second
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
)


def open_channel(target: str) -> grpc.aio.Channel:
    """A channel to `unix:PATH`, `host:port` or `dns:///name:port`."""
    return grpc.aio.insecure_channel(target, options=_OPTIONS)
