"""Real requests through Envoy with the configuration of the product, to services that answer as each test says."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import NoReturn

import grpc
import httpx
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from perdure.agents.v1.agent_rest_pb2 import CreateAgentQuery, ListAgentsQuery
from services.cli.embedded.gateway_config import BUFFER_BYTES
from services.common.rest import BROKEN_OFF
from tests.gateway.scripted_services import Answer, Context, ScriptedServices, json_body

Call = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
AGENT = "/v1/agents/agent-1"


def error(code: grpc.StatusCode, *metadata: tuple[str, str | bytes]) -> Answer:
    async def abort(_: bytes, context: Context) -> NoReturn:
        await context.abort(code, 'no "such" thing', metadata)

    return abort


def answer(text: str) -> Answer:
    async def send(_: bytes, __: Context) -> HttpBody:
        return json_body(text)

    return send


@pytest.mark.parametrize("path", ["/v1/agents/count", "/v1/agents/count/"])
async def test_answer_arrives_without_a_trace_of_grpc(
    services: ScriptedServices, client: httpx.AsyncClient, path: str
) -> None:
    services.answers["CountAgents"] = answer("3")

    answered = await client.get(path)

    assert (answered.status_code, answered.text) == (200, "3")
    assert set(answered.headers) == {"content-type", "content-length", "date", "server"}


async def test_query_reaches_the_service(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    seen: list[ListAgentsQuery] = []

    async def keep(request: bytes, _: Context) -> HttpBody:
        seen.append(ListAgentsQuery.FromString(request))
        return json_body("[]")

    services.answers["ListAgents"] = keep

    await client.get("/v1/agents/?limit=3&tags=a&tags=b+c&unknown=1")

    assert seen == [ListAgentsQuery(limit=3, tags=["a", "b c"])]


async def test_the_deadline_of_a_grpc_call_is_none_of_http(
    services: ScriptedServices, client: httpx.AsyncClient
) -> None:
    left: list[float | None] = []

    async def keep(_: bytes, context: Context) -> HttpBody:
        left.append(context.time_remaining())
        return json_body("3")

    services.answers["CountAgents"] = keep

    await client.get("/v1/agents/count", headers={"grpc-timeout": "5S", "te": "trailers"})
    await client.get("/v1/agents/count")

    assert left == [None, None]


async def test_long_body_reaches_the_service(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    async def measure(request: bytes, _: Context) -> HttpBody:
        return json_body(str(len(CreateAgentQuery.FromString(request).body.data)))

    services.answers["CreateAgent"] = measure

    answered = await client.post("/v1/agents", content=b"x" * 20_000_000)

    assert answered.json() == 20_000_000


async def test_long_answer_arrives(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    services.answers["CountAgents"] = answer("1" * (BUFFER_BYTES + 1))

    answered = await client.get("/v1/agents/count")

    assert (answered.status_code, len(answered.content)) == (200, BUFFER_BYTES + 1)


@pytest.mark.parametrize("over", [1, 100 * 1024 * 1024])
async def test_body_over_the_bound_is_refused(services: ScriptedServices, client: httpx.AsyncClient, over: int) -> None:
    services.answers["CreateAgent"] = answer("{}")

    response = await client.post("/v1/agents/", content=bytes(BUFFER_BYTES + over), timeout=60)

    assert response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    detail = "The body of a request may have 32 MiB (PERDURE_MAX_BODY_MB); this one has more."
    assert response.json() == {"detail": detail}


@pytest.mark.parametrize(("number", "size"), [(1, 58_000), (80, 400)])
async def test_long_headers_reach_the_service(
    services: ScriptedServices, client: httpx.AsyncClient, number: int, size: int
) -> None:
    services.answers["CountAgents"] = answer("3")

    answered = await client.get("/v1/agents/count", headers={f"x-long-{n}": "x" * size for n in range(number)})

    assert (answered.status_code, answered.text) == (200, "3")


async def test_too_many_headers_are_refused(client: httpx.AsyncClient) -> None:
    answered = await client.get("/v1/agents/count", headers={"x-long": "x" * 100_000})

    assert answered.status_code == 431
    assert "headers" in answered.json()["detail"]


async def test_what_is_no_http_is_refused(scripted_gateway: tuple[str, ScriptedServices]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(scripted_gateway[0]).port)

    writer.write(b"GET /v1/agents/count HTTP/1.1\r\n\r\n")
    answered = await reader.read()
    writer.close()

    assert answered.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answered.partition(b"\r\n\r\n")[2]) == {"detail": "The request is not valid HTTP."}


async def test_whole_error_body_is_passed_on(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    body = {"detail": "busy äöü", "run_id": "run-1"}
    services.answers["GetAgent"] = error(
        grpc.StatusCode.FAILED_PRECONDITION,
        ("x-http-status", "409"),
        ("x-error-detail", json.dumps(body)),
        ("x-should-retry", "false"),
        ("retry-after", "3"),
    )

    answered = await client.get(AGENT)

    assert (answered.status_code, answered.json()) == (409, body)
    assert answered.headers["x-should-retry"] == "false"
    assert answered.headers["retry-after"] == "3"
    assert "x-error-detail" not in answered.headers


async def test_error_info_for_typed_callers_does_no_harm(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason="NOT_FOUND", domain="perdure"))
    status = status_pb2.Status(code=5, message="gone", details=[info]).SerializeToString()
    services.answers["GetAgent"] = error(
        grpc.StatusCode.NOT_FOUND,
        ("x-http-status", "404"),
        ("x-error-detail", '{"detail":"gone"}'),
        ("grpc-status-details-bin", status),
    )

    answered = await client.get(AGENT)

    assert (answered.status_code, answered.json()) == (404, {"detail": "gone"})


@pytest.mark.parametrize("detail", [["a list"], "a text"])
async def test_bare_error_detail_is_wrapped(
    services: ScriptedServices, client: httpx.AsyncClient, detail: object
) -> None:
    services.answers["GetAgent"] = error(grpc.StatusCode.INVALID_ARGUMENT, ("x-error-detail", json.dumps(detail)))

    answered = await client.get(AGENT)

    assert (answered.status_code, answered.json()) == (400, {"detail": detail})


async def test_plain_grpc_error_shows_its_message(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    services.answers["GetAgent"] = error(grpc.StatusCode.NOT_FOUND)

    answered = await client.get(AGENT)

    assert (answered.status_code, answered.json()) == (404, {"detail": 'no "such" thing'})


async def test_success_can_have_another_status(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    async def create(_: bytes, context: Context) -> HttpBody:
        await context.send_initial_metadata((("x-http-status", "201"),))
        return json_body("{}")

    async def delete(_: bytes, context: Context) -> HttpBody:
        await context.send_initial_metadata((("x-http-status", "204"),))
        return HttpBody()

    services.answers |= {"CreateAgent": create, "DeleteAgent": delete}

    created, deleted = await client.post("/v1/agents", json={}), await client.delete(AGENT)

    assert (created.status_code, created.json()) == (201, {})
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert not {"content-type", "content-length", "transfer-encoding"} & set(deleted.headers)


@pytest.mark.parametrize(
    ("query", "kind", "name"),
    [
        ("limit=x", "int_parsing", "limit"),
        ("limit=", "int_parsing", "limit"),
        ("ascending=maybe", "bool_parsing", "ascending"),
    ],
)
async def test_malformed_parameter_is_named(client: httpx.AsyncClient, query: str, kind: str, name: str) -> None:
    answered = await client.get(f"/v1/agents?{query}")

    assert answered.status_code == 422
    [problem] = answered.json()["detail"]
    assert (problem["type"], problem["loc"]) == (kind, ["query", name])
    assert problem["msg"]


async def test_unknown_path_is_not_found(client: httpx.AsyncClient) -> None:
    answered = await client.get("/v1/nothing-here")

    assert (answered.status_code, answered.json()) == (404, {"detail": "Not Found"})
    assert "retry-after" not in answered.headers


async def test_unknown_method_of_a_known_path_is_refused(client: httpx.AsyncClient) -> None:
    answered = await client.delete("/v1/agents/?force=true")

    assert (answered.status_code, answered.json()) == (405, {"detail": "Method Not Allowed"})
    assert answered.headers["allow"] == "GET, POST"


async def test_the_connection_is_usable_after_a_refused_head(client: httpx.AsyncClient) -> None:
    refused = [await client.head(path) for path in ("/v1/agents/", "/v1/nothing-here")]

    assert [(answered.status_code, answered.content) for answered in refused] == [(405, b""), (404, b"")]
    assert (await client.get("/v1/nothing-here")).json() == {"detail": "Not Found"}


async def test_service_that_is_away_asks_to_try_again(client: httpx.AsyncClient) -> None:
    answered = await client.get("/v1/tools")

    assert answered.status_code == 503
    assert answered.headers["retry-after"] == "1"
    assert "not available" in answered.json()["detail"]


async def test_health_says_that_a_service_is_away(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 503


async def test_stream_is_flushed_event_by_event(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    received = asyncio.Event()

    async def events(_: bytes, __: Context) -> AsyncIterator[HttpBody]:
        kind = "text/event-stream; charset=utf-8"
        yield HttpBody(content_type=kind, data=b"data: 1\n\n")
        await received.wait()
        yield HttpBody(content_type=kind, data=b"data: 2\n\n")

    services.answers["StreamMessage"] = events
    lines: list[str] = []

    async with client.stream("POST", f"{AGENT}/messages/stream", json={}) as answered:
        async for line in answered.aiter_lines():
            lines.append(line)
            received.set()

    assert answered.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert lines == ["data: 1", "", "data: 2", ""]


async def test_error_before_a_stream_keeps_its_status(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    async def fail(request: bytes, context: Context) -> AsyncIterator[HttpBody]:
        if not request:
            yield HttpBody()
        await context.abort(grpc.StatusCode.ABORTED, "x", (("x-http-status", "409"), ("x-error-detail", '"busy"')))

    services.answers["StreamMessage"] = fail

    answered = await client.post(f"{AGENT}/messages/stream", json={})

    assert (answered.status_code, answered.json()) == (409, {"detail": "busy"})


async def test_an_answer_that_breaks_off_does_not_look_whole(
    services: ScriptedServices, client: httpx.AsyncClient
) -> None:
    async def break_off(_: bytes, context: Context) -> AsyncIterator[HttpBody | bytes]:
        yield json_body(" ")
        yield BROKEN_OFF
        await context.abort(grpc.StatusCode.UNAVAILABLE, "x")

    services.answers["SendMessage"] = break_off

    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(f"{AGENT}/messages", json={})


async def test_internal_headers_are_stripped(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    seen: set[str] = set()

    async def keep(_: bytes, context: Context) -> HttpBody:
        seen.update(key for key, _ in context.invocation_metadata() or ())
        return json_body("1")

    services.answers["CountAgents"] = keep

    await client.get("/v1/agents/count", headers={"x-perdure-organization": "org-2", "x-other": "1"})

    assert "x-other" in seen
    assert not [key for key in seen if key.startswith("x-perdure-")]


async def test_native_grpc_passes_unchanged(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    services.answers["GetAgent"] = error(grpc.StatusCode.NOT_FOUND, ("x-http-status", "418"))

    async with grpc.aio.insecure_channel(client.base_url.netloc.decode()) as channel:
        call: Call = channel.unary_unary("/perdure.agents.v1.AgentService/GetAgent")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(b"", timeout=60)
        unknown: Call = channel.unary_unary("/perdure.other.v1.Service/Get")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await unknown(b"", timeout=60)

    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    assert dict(failed.value.trailing_metadata() or ())["x-http-status"] == "418"
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_grpc_answer_tells_nothing_of_the_gateway(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/grpc"}

    answered = await client.post("/perdure.runs.v1.RunService/%00", headers=headers)

    assert answered.headers["grpc-status"] == "13"
    assert not [name for name in answered.headers if name.startswith("x-")]


async def test_local_web_page_may_ask(services: ScriptedServices, client: httpx.AsyncClient) -> None:
    services.answers["CountAgents"] = answer("3")
    origin = {"origin": "http://localhost:3000"}

    asked = await client.options("/v1/agents/", headers={**origin, "access-control-request-method": "POST"})
    answered = await client.get("/v1/agents/count", headers=origin)

    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert asked.headers["access-control-allow-methods"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    assert answered.headers["access-control-allow-origin"] == "http://localhost:3000"


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"origin": "null"}])
async def test_page_of_another_site_may_not_ask(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answered = await client.post("/v1/agents", headers=headers, content="{}")

    assert answered.status_code == 403
    assert "PERDURE_ALLOWED_ORIGINS" in answered.json()["detail"]
    assert "access-control-allow-origin" not in answered.headers


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
async def test_other_host_names_are_not_served(client: httpx.AsyncClient, size: int) -> None:
    answered = await client.post("/v1/agents", headers={"host": "evil.example"}, content=bytes(size))

    assert answered.status_code == 421
    assert "PERDURE_ALLOWED_HOSTS" in answered.json()["detail"]


async def test_openapi_document_is_served(client: httpx.AsyncClient) -> None:
    answered = await client.get("/openapi.json")

    assert answered.headers["content-type"] == "application/json"
    assert "/v1/agents" in answered.json()["paths"]
