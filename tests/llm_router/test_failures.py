"""What a caller sees when a provider fails."""

import asyncio
import logging

import grpc
import orjson
import pytest

from perdure.llm_router.v1.llm_router_service_pb2 import CompleteRequest
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from services.common.errors import PerdureError
from services.common.status import read_error
from services.common.telemetry import JsonFormatter
from tests.fakes.provider import ProviderFake
from tests.llm_router.asking import ALL_MODELS, CHAT, CLAUDE, GEMINI, GLM, RESPONSES, THINKING, ask, question, spoken
from tests.llm_router.conftest import serving

LONG = "word " * 200_000  # 250,000 tokens
TOO_LONG = {CHAT: LONG, RESPONSES: LONG * 2, CLAUDE: LONG, GEMINI: LONG * 5, GLM: LONG}


async def failure_of(stub: LlmRouterServiceStub, request: CompleteRequest) -> PerdureError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await ask(stub, request)
    return read_error(raised.value)


@pytest.mark.parametrize("model", ALL_MODELS)
@pytest.mark.parametrize(
    ("status", "reason", "http_status"),
    [
        (400, "LLM_BAD_REQUEST", 400),
        (401, "LLM_AUTHENTICATION", 401),
        (402, "LLM_INSUFFICIENT_CREDITS", 402),
        (403, "LLM_ERROR", 500),
        (404, "LLM_ERROR", 500),
        (429, "LLM_RATE_LIMIT", 429),
        (500, "LLM_UNAVAILABLE", 500),
        (503, "LLM_OVERLOADED", 503),
        (504, "LLM_TIMEOUT", 504),
    ],
)
async def test_a_status_of_the_provider_has_its_reason(
    environment: dict[str, str], model: str, status: int, reason: str, http_status: int
) -> None:
    async with serving({**environment, "PERDURE_LLM_ATTEMPTS": "1"}) as channel:
        failure = await failure_of(LlmRouterServiceStub(channel), question(model, f"Hi [[fake: status={status}]]"))

    assert (failure.reason, failure.http_status) == (reason, http_status)
    assert failure.metadata["provider"] == model.partition("/")[0]
    assert failure.metadata["status"] == str(status)
    assert failure.should_retry is False


async def test_an_overloaded_claude_is_overloaded(environment: dict[str, str]) -> None:
    async with serving({**environment, "PERDURE_LLM_ATTEMPTS": "1"}) as channel:
        failure = await failure_of(LlmRouterServiceStub(channel), question(CLAUDE, "Hi [[fake: status=529]]"))

    assert failure.reason == "LLM_OVERLOADED"


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_a_prompt_over_the_window_is_told_apart(stub: LlmRouterServiceStub, model: str) -> None:
    failure = await failure_of(stub, question(model, TOO_LONG[model]))

    assert failure.reason == "LLM_CONTEXT_WINDOW"
    assert str(failure.detail).startswith("CONTEXT_WINDOW_EXCEEDED")


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_an_empty_answer_is_an_error(stub: LlmRouterServiceStub, model: str) -> None:
    failure = await failure_of(stub, question(model, "Hi [[fake: empty]]"))

    assert (failure.reason, failure.http_status) == ("LLM_EMPTY_RESPONSE", 500)


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_an_unreadable_answer_is_an_error(stub: LlmRouterServiceStub, model: str) -> None:
    failure = await failure_of(stub, question(model, "Hi [[fake: garbage]]"))

    assert (failure.reason, failure.http_status) == ("LLM_ERROR", 500)


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_a_connection_that_breaks_is_unavailable(stub: LlmRouterServiceStub, model: str) -> None:
    failure = await failure_of(stub, question(model, "Reply with 20 words [[fake: drop=mid_stream]]"))

    assert (failure.reason, failure.http_status) == ("LLM_UNAVAILABLE", 500)


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_an_error_in_mid_stream_is_read(stub: LlmRouterServiceStub, model: str) -> None:
    failure = await failure_of(stub, question(model, "Reply with 20 words [[fake: stream_error]]"))

    assert failure.reason in ("LLM_UNAVAILABLE", "LLM_ERROR", "LLM_OVERLOADED")
    assert failure.http_status in (500, 503)


@pytest.mark.parametrize("directive", ["status=500", "status=429", "status=503", "drop"])
async def test_a_call_that_failed_before_its_first_event_is_repeated(
    stub: LlmRouterServiceStub, fake: ProviderFake, directive: str
) -> None:
    heard = await ask(stub, question(CHAT, f"Say 'back'. [[fake: {directive} times=2]]"))

    assert heard.text == "back"
    assert heard.completion.retries == 2
    assert sum(request.path.endswith("/completions") for request in fake.traffic) == 3


@pytest.mark.parametrize("directive", ["status=400", "status=401", "drop=mid_stream"])
async def test_a_call_that_spoke_or_was_refused_is_not_repeated(
    stub: LlmRouterServiceStub, fake: ProviderFake, directive: str
) -> None:
    await failure_of(stub, question(CHAT, f"Reply with 20 words [[fake: {directive}]]"))

    assert sum(request.path.endswith("/completions") for request in fake.traffic) == 1


async def test_a_provider_that_asks_for_a_long_wait_is_not_asked_again(
    stub: LlmRouterServiceStub, fake: ProviderFake
) -> None:
    failure = await failure_of(stub, question(CHAT, "Hi [[fake: status=429 retry_after=60]]"))

    assert failure.retry_after_s == 60
    assert sum(request.path.endswith("/completions") for request in fake.traffic) == 1


async def test_a_wait_that_the_provider_asks_for_is_kept(stub: LlmRouterServiceStub) -> None:
    started = asyncio.get_running_loop().time()

    await ask(stub, question(GEMINI, "Hi [[fake: status=429 retry_after=0.7 times=1]]"))

    assert asyncio.get_running_loop().time() - started >= 0.7


async def test_a_provider_that_says_nothing_is_given_up(environment: dict[str, str], fake: ProviderFake) -> None:
    async with serving({**environment, "PERDURE_LLM_FIRST_EVENT_TIMEOUT_S": "2"}) as channel:
        failure = await failure_of(LlmRouterServiceStub(channel), question(CHAT, "Hi [[fake: ttft_ms=60000]]"))

    assert (failure.reason, failure.http_status) == ("LLM_TIMEOUT", 504)
    await fake.traffic.wait_for(lambda request: request.disconnected)


async def test_a_provider_that_stops_speaking_is_given_up(environment: dict[str, str]) -> None:
    async with serving({**environment, "PERDURE_LLM_CHUNK_TIMEOUT_S": "0.2"}) as channel:
        request = question(CHAT, "Reply with 5 words [[fake: inter_token_ms=60000]]")
        failure = await failure_of(LlmRouterServiceStub(channel), request)

    assert failure.reason == "LLM_TIMEOUT"


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_cancelling_the_call_closes_the_providers_socket(
    stub: LlmRouterServiceStub, fake: ProviderFake, model: str
) -> None:
    call = stub.Complete(question(model, "Reply with 50 words [[fake: inter_token_ms=100]]"))
    await call.read()

    call.cancel()

    left = await fake.traffic.wait_for(lambda request: request.disconnected)
    assert left.tokens_sent < 50


async def test_cancelling_before_the_first_event_closes_the_providers_socket(
    stub: LlmRouterServiceStub, fake: ProviderFake
) -> None:
    call = stub.Complete(question(CHAT, "Hi [[fake: ttft_ms=60000]]"))
    waiting = asyncio.ensure_future(call.read())
    await fake.traffic.wait_for(lambda request: request.path.endswith("/completions"))

    call.cancel()

    await fake.traffic.wait_for(lambda request: request.disconnected)
    await asyncio.gather(waiting, return_exceptions=True)


async def test_the_callers_deadline_closes_the_providers_socket(stub: LlmRouterServiceStub, fake: ProviderFake) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in stub.Complete(question(CHAT, "Hi [[fake: ttft_ms=60000]]"), timeout=3):
            pass

    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await fake.traffic.wait_for(lambda request: request.disconnected)


@pytest.mark.parametrize(
    ("model", "index", "data"),
    [
        (RESPONSES, 0, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "stale"}),
        (CLAUDE, 0, {"signature": "stale"}),
        (GEMINI, 1, {"thoughtSignature": "stale"}),
    ],
)
async def test_thoughts_that_the_provider_no_longer_knows_are_left_out(
    stub: LlmRouterServiceStub, model: str, index: int, data: dict[str, object]
) -> None:
    said = (await ask(stub, question(model, "Say 'one'.", settings=THINKING))).completion
    said.parts[index].provider_data = orjson.dumps(data)

    heard = await ask(stub, question(model, "Say 'one'.", spoken(said, model), "Say 'two'.", settings=THINKING))

    assert heard.text == "two"


class Lines(logging.Handler):
    """Keeps log lines as they would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(JsonFormatter().format(record))


async def test_a_repeated_call_is_logged_with_its_run_and_step(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    request = question(CHAT, "Hi [[fake: status=503]]", run_id="run-1", step_id="step-1")
    log, heard = logging.getLogger("services.llm_router.retries"), Lines()
    log.addHandler(heard)
    caplog.set_level(logging.INFO, log.name)

    async with serving({**environment, "PERDURE_LLM_ATTEMPTS": "2"}) as channel:
        await failure_of(LlmRouterServiceStub(channel), request)
    log.removeHandler(heard)

    line = orjson.loads(heard.lines[0])
    assert (line["run_id"], line["step_id"]) == ("run-1", "step-1")
