"""The generic REST servicer and the mapping of errors, through a real channel to a server in this process."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from google.api.httpbody_pb2 import HttpBody
from grpc.aio import AioRpcError

from perdure.runs.v1 import rest_pb2
from services.common.caller import Caller
from services.common.channels import open_channel
from services.common.errors import Conflict, NotFound, Unavailable
from services.common.rest import BROKEN_OFF, JSON, Stream, rest_handlers
from services.common.server import OPTIONS, ErrorInterceptor
from services.common.status import MAX_ITEMS, RETRY_AFTER_S, read_error

SERVICE = rest_pb2.DESCRIPTOR.services_by_name["RunRest"]
STEP = "step-00000000-0000-4000-8000-000000000001"
AGENT = "agent-00000000-0000-4000-8000-000000000001"


class Operations:
    """Answers what it was asked; `answers` are used once each where they are given."""

    def __getattr__(self, name: str) -> Callable[[Caller, Any, Any], Awaitable[Any]]:
        async def answer(caller: Caller, query: Any, body: Any) -> Any:
            if name == "get_step":
                raise NotFound(f"There is no step {query.step_id} – none")
            if name == "send_message_async":
                raise Conflict("Busy", metadata={"run_id": "run-1"}, extra={"run_id": "run-1"}, should_retry=False)
            if name == "stream_message":
                return Stream(JSON, chunks(body.new_messages[0].content))
            if name == "get_run_usage":
                raise ValueError("a secret")
            return {"limit": query.limit, "order": query.order, "retries": caller.retry_count}

        return answer


async def chunks(text: str) -> AsyncGenerator[bytes, None]:
    for word in text.split():
        if word == "break":
            raise NotFound("There is no more.")
        yield word.encode()


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=[ErrorInterceptor()], options=OPTIONS)
    server.add_generic_rpc_handlers([rest_handlers(SERVICE, Operations())])
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    async with open_channel(f"unix:{tmp_path}/s") as channel:
        yield channel
    await server.stop(None)


async def call(channel: grpc.aio.Channel, method: str, request: Any, **metadata: str) -> Any:
    rpc = channel.unary_unary(
        f"/{SERVICE.full_name}/{method}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=HttpBody.FromString,
    )
    pairs = tuple((name.replace("_", "-"), value) for name, value in metadata.items())
    return orjson.loads((await rpc(request, metadata=pairs)).data)


async def failure(channel: grpc.aio.Channel, method: str, request: Any) -> AioRpcError:
    with pytest.raises(AioRpcError) as caught:
        await call(channel, method, request)
    return caught.value


async def test_parameters_get_their_defaults(channel: grpc.aio.Channel) -> None:
    answer = await call(channel, "ListSteps", rest_pb2.ListStepsQuery(), x_stainless_retry_count="2")

    assert answer == {"limit": 50, "order": "desc", "retries": 2}


async def test_a_bad_parameter_is_named(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "ListSteps", rest_pb2.ListStepsQuery(order="up", limit=-1))

    received = read_error(error)
    assert received.http_status == 422
    assert isinstance(received.detail, list)
    assert sorted(problem["loc"] for problem in received.detail) == [["query", "limit"], ["query", "order"]]


async def test_text_that_is_not_utf8_is_named(channel: grpc.aio.Channel) -> None:
    data = rest_pb2.ListStepsQuery(model="XX", order="asc", limit=3).SerializeToString().replace(b"XX", b"\xff\xfe")

    with pytest.raises(AioRpcError) as caught:
        await channel.unary_unary(f"/{SERVICE.full_name}/ListSteps")(data)  # type: ignore[arg-type]  # no serializer

    assert read_error(caught.value).detail[0]["loc"] == ["query", "model"]  # type: ignore[index, call-overload]


async def test_a_nul_in_a_parameter_is_named(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "ListSteps", rest_pb2.ListStepsQuery(tags=["a", "b\0"]))

    assert read_error(error).detail[0]["loc"] == ["query", "tags"]  # type: ignore[index, call-overload]


async def test_a_bad_id_in_the_path_is_named(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "GetStep", rest_pb2.GetStepQuery(step_id="nonsense"))

    assert read_error(error).detail[0]["loc"] == ["path", "step_id"]  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", ["body"]),
        (b"{broken", ["body"]),
        (b'{"messages": [{"role": "robot", "content": "x"}]}', ["body", "messages", 0, "message", "role"]),
        (b'{"messages": [{"role": "user", "content": "x"}], "max_steps": "many"}', ["body", "max_steps"]),
    ],
)
async def test_a_bad_body_is_named(channel: grpc.aio.Channel, body: bytes, where: list[str]) -> None:
    request = rest_pb2.SendMessageAsyncQuery(agent_id=AGENT, body=HttpBody(data=body))

    received = read_error(await failure(channel, "SendMessageAsync", request))

    assert received.http_status == 422
    assert received.detail[0]["loc"][: len(where)] == where  # type: ignore[index, call-overload]


async def test_an_error_keeps_status_reason_metadata_and_body(channel: grpc.aio.Channel) -> None:
    body = HttpBody(data=b'{"input": "Hello"}')

    received = read_error(
        await failure(channel, "SendMessageAsync", rest_pb2.SendMessageAsyncQuery(agent_id=AGENT, body=body))
    )

    assert isinstance(received, Conflict)
    assert (received.detail, received.extra, received.metadata) == ("Busy", {"run_id": "run-1"}, {"run_id": "run-1"})
    assert received.should_retry is False


async def test_text_outside_ascii_survives(channel: grpc.aio.Channel) -> None:
    received = read_error(await failure(channel, "GetStep", rest_pb2.GetStepQuery(step_id=STEP)))

    assert received.detail == f"There is no step {STEP} – none"


@pytest.mark.parametrize("text", ["x" * 100_000, "\N{GRINNING FACE}" * 100_000])
async def test_an_error_about_a_long_text_arrives(channel: grpc.aio.Channel, text: str) -> None:
    error = await failure(channel, "ListSteps", rest_pb2.ListStepsQuery(order=text))

    assert read_error(error).detail[0]["loc"] == ["query", "order"]  # type: ignore[index, call-overload]


async def test_of_many_problems_the_first_are_told(channel: grpc.aio.Channel) -> None:
    body = HttpBody(data=orjson.dumps({"messages": [{"role": "robot", "content": "x"}] * 500}))

    error = await failure(channel, "SendMessageAsync", rest_pb2.SendMessageAsyncQuery(agent_id=AGENT, body=body))

    assert len(read_error(error).detail) == MAX_ITEMS  # type: ignore[arg-type]


async def test_a_service_that_is_away_is_told_in_our_words(tmp_path: Path) -> None:
    async with open_channel(f"unix:{tmp_path}/nobody") as nobody:
        received = read_error(await failure(nobody, "ListSteps", rest_pb2.ListStepsQuery()))

    assert isinstance(received, Unavailable)
    assert received.retry_after_s == RETRY_AFTER_S
    assert str(tmp_path) not in str(received)


async def test_what_is_not_ours_is_not_told(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "GetRunUsage", rest_pb2.GetRunUsageQuery(run_id="run-1"))

    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (error.details() or "")


async def stream(channel: grpc.aio.Channel, text: str) -> AsyncGenerator[bytes, None]:
    rpc: grpc.aio.UnaryStreamMultiCallable[rest_pb2.StreamMessageQuery, bytes] = channel.unary_stream(
        f"/{SERVICE.full_name}/StreamMessage", request_serializer=rest_pb2.StreamMessageQuery.SerializeToString
    )
    request = rest_pb2.StreamMessageQuery(agent_id=AGENT, body=HttpBody(data=b'{"input": "%s"}' % text.encode()))
    async for chunk in rpc(request):
        yield chunk


async def test_a_stream_is_sent_chunk_by_chunk(channel: grpc.aio.Channel) -> None:
    sent = [HttpBody.FromString(chunk).data async for chunk in stream(channel, "one two three")]

    assert sent == [b"one", b"two", b"three"]


async def test_a_stream_that_breaks_off_says_so_before_its_error(channel: grpc.aio.Channel) -> None:
    sent = stream(channel, "one break")

    assert HttpBody.FromString(await anext(sent)).data == b"one"
    assert await anext(sent) == BROKEN_OFF
    with pytest.raises(AioRpcError) as caught:
        await anext(sent)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_stream_that_fails_before_it_begins_has_its_error_alone(channel: grpc.aio.Channel) -> None:
    with pytest.raises(AioRpcError) as caught:
        await anext(stream(channel, "break"))

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
