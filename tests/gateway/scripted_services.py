"""A gRPC server in the place of all four services, whose answers a test writes down."""

import inspect
from collections.abc import Callable
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody
from grpc.aio import ServicerContext
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.common.server import OPTIONS

Context = ServicerContext[bytes, HttpBody]
Answer = Callable[[bytes, Context], Any]  # Any: an awaitable HttpBody (or its bytes), or an async generator of them


def json_body(text: str) -> HttpBody:
    return HttpBody(content_type="application/json", data=text.encode())


def _serialize(answered: HttpBody | bytes) -> bytes:
    return answered if isinstance(answered, bytes) else answered.SerializeToString()


class ScriptedServices(grpc.GenericRpcHandler):
    """`answers` maps the name of an RPC to what answers it, given the request as it came."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}

    def service(self, call: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, HttpBody] | None":
        answer = self.answers.get(call.method.rpartition("/")[2])
        if answer is None:
            return None
        streams = inspect.isasyncgenfunction(answer)
        handler = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
        return handler(answer, None, _serialize)

    async def listen(self, address: str) -> grpc.aio.Server:
        server = grpc.aio.server(options=OPTIONS)
        status = health.aio.HealthServicer()
        await status.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(status, server)
        server.add_generic_rpc_handlers((self,))
        server.add_insecure_port(address)
        await server.start()
        return server
