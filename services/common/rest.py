"""The generic servicer of REST operations.

A service's `rest.proto` lists them; for each RPC this reads parameters and body by the rules written there, calls the
method of the same name on the service's REST object, and prints what it answers.
"""

from __future__ import annotations  # grpc's handlers are generic for type checkers only

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
import orjson
from google.api import annotations_pb2
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc.aio import ServicerContext
from pydantic import BaseModel

from perdure.options.v1 import rest_pb2 as options
from services.common.bodies import BodyReader, find_model
from services.common.caller import Caller, read_caller
from services.common.parameters import check_parameters, read_request
from services.common.uploads import read_upload

NO_CONTENT = 204  # the HTTP status of an answer without a body; one with it would break the connection
JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"

# No HttpBody: the gateway then breaks the client's connection. A status behind a body that has begun it would drop.
BROKEN_OFF = b"\xff"

# The query is the RPC's request message, the body its pydantic model or an `Upload`: each method narrows them.
Operation = Callable[[Caller, Any, Any], Awaitable[Any]]
Context = ServicerContext[bytes, HttpBody]


@dataclass(frozen=True)
class Stream:
    """The answer of a streaming operation; every chunk is sent at once. Closed as soon as its client is gone."""

    content_type: str
    chunks: AsyncGenerator[bytes, None]


def rest_handlers(service: ServiceDescriptor, operations: object) -> grpc.GenericRpcHandler:
    """Handlers for every RPC of the service, each on the method of `operations` with its name in snake case.

    Raises AttributeError when one is missing, so that a service with a hole does not start.
    """
    handlers = {method.name: _handler(method, operations) for method in service.methods}
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def _handler(method: MethodDescriptor, operations: object) -> grpc.RpcMethodHandler[bytes, Any]:
    run: Operation = getattr(operations, snake_case(method.name))
    rules = method.GetOptions().Extensions[options.rest]
    reader = BodyReader(find_model(rules.body), optional=rules.body_optional) if rules.body else None
    in_path = path_parameters(method)

    kind = GetMessageClass(method.input_type)

    async def answer(data: bytes, context: Context) -> Any:
        request: Any = read_request(kind, data, in_path)  # Any: the RPC's own message
        check_parameters(request, in_path)
        body = await reader.read(request.body.data) if reader else None
        if rules.file:
            body = await read_upload(request.body.content_type, request.body.data)
        answered = await run(read_caller(context.invocation_metadata()), request, body)
        if rules.status:
            await context.send_initial_metadata((("x-http-status", str(rules.status)),))
        return b"" if rules.status == NO_CONTENT else answered

    async def unary(data: bytes, context: Context) -> HttpBody:
        return HttpBody(content_type=JSON, data=print_json(await answer(data, context)))

    async def stream(data: bytes, context: Context) -> AsyncIterator[bytes]:
        followed: Stream = await answer(data, context)
        has_begun = False
        try:
            async with aclosing(followed.chunks):
                async for chunk in followed.chunks:
                    yield HttpBody(content_type=followed.content_type, data=chunk).SerializeToString()
                    has_begun = True
        except Exception:  # whatever it is, half an answer must not look whole
            if has_begun:
                yield BROKEN_OFF
            raise

    # The request comes as bytes, so that what is wrong with them can be told.
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(stream)
    return grpc.unary_unary_rpc_method_handler(unary, response_serializer=HttpBody.SerializeToString)


def path_parameters(method: MethodDescriptor) -> frozenset[str]:
    """The names of the operation's parameters that stand in its path."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    return frozenset(re.findall(r"{(\w+)", getattr(rule, rule.WhichOneof("pattern"))))


def snake_case(name: str) -> str:
    """`ListAgents` as `list_agents`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def print_json(answer: Any) -> bytes:
    """An operation's answer as JSON: models with all their keys, lists as bare arrays, bytes as they are."""
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, BaseModel):
        return answer.__pydantic_serializer__.to_json(answer, by_alias=True)
    if isinstance(answer, list):
        return b"[" + b",".join(map(print_json, answer)) + b"]"
    return orjson.dumps(answer)
