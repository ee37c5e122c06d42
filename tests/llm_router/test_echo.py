"""The built-in model."""

import orjson
import pytest

from perdure.conversation.v1.model_pb2 import ModelSettings, ResponseFormat, ToolDefinition
from perdure.llm_router.v1 import llm_router_service_pb2 as service
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from tests.llm_router.asking import ROLL_DICE, Heard, ask, question, returned, spoken
from tests.llm_router.conftest import serving
from tests.llm_router.test_failures import failure_of

ECHO = "perdure/echo"
TWO_CALLS = 'call tool roll_dice with {"num_sides": 6} and call tool look with {"at": {"x": "}"}}'
SERIAL = ModelSettings(parallel_tool_calls=False)


def calls_of(heard: Heard) -> list[tuple[str, object]]:
    calls = (part.tool_call for part in heard.completion.parts if part.HasField("tool_call"))
    return [(call.name, orjson.loads(call.arguments)) for call in calls]


async def test_it_needs_no_key_and_says_back_what_it_is_told() -> None:
    async with serving({"PERDURE_LISTEN": "unused"}) as channel:
        heard = await ask(LlmRouterServiceStub(channel), question(ECHO, "hello there"))

    assert heard.text == "You said: hello there"
    assert len(heard.events) == 5
    assert heard.completion.usage.completion_tokens == 4


async def test_it_calls_the_tools_that_it_is_told_to_call(stub: LlmRouterServiceStub) -> None:
    heard = await ask(stub, question(ECHO, TWO_CALLS, tools=[ROLL_DICE]))

    assert calls_of(heard) == [("roll_dice", {"num_sides": 6}), ("look", {"at": {"x": "}"}})]
    assert heard.completion.finish_reason == service.FINISH_REASON_TOOL_CALLS


async def test_it_says_what_its_calls_returned(stub: LlmRouterServiceStub) -> None:
    called = await ask(stub, question(ECHO, TWO_CALLS))

    heard = await ask(
        stub, question(ECHO, TWO_CALLS, spoken(called.completion, ECHO), returned(called.completion, "4"))
    )

    assert heard.text == "roll_dice returned: 4 look returned: 4"


async def test_it_calls_one_after_the_other_when_told_so(stub: LlmRouterServiceStub) -> None:
    first = await ask(stub, question(ECHO, TWO_CALLS, settings=SERIAL))
    said, result = spoken(first.completion, ECHO), returned(first.completion)

    second = await ask(stub, question(ECHO, TWO_CALLS, said, result, settings=SERIAL))

    assert calls_of(first) + calls_of(second) == [("roll_dice", {"num_sides": 6}), ("look", {"at": {"x": "}"}})]


@pytest.mark.parametrize("choice", ["required", "roll_dice"])
async def test_it_makes_a_call_that_is_insisted_on(stub: LlmRouterServiceStub, choice: str) -> None:
    heard = await ask(stub, question(ECHO, "Hello", tools=[ROLL_DICE], tool_choice=choice))

    assert calls_of(heard) == [("roll_dice", {"num_sides": 0})]


async def test_it_prefers_the_tool_that_speaks_when_any_call_will_do(stub: LlmRouterServiceStub) -> None:
    schema = {"type": "object", "properties": {"message": {"type": "string"}, "to": {"const": "all"}}}
    speak = ToolDefinition(name="send_message", parameters=orjson.dumps(schema).decode())

    heard = await ask(stub, question(ECHO, "Hello", tools=[ROLL_DICE, speak], tool_choice="required"))

    assert calls_of(heard) == [("send_message", {"message": "You said: Hello", "to": "all"})]


@pytest.mark.parametrize("asked", ["json_object", "json_schema"])
async def test_it_answers_in_json_when_asked(stub: LlmRouterServiceStub, asked: str) -> None:
    schema = '{"name": "n", "schema": {"type": "object", "properties": {"answer": {"type": "string"}}}}'
    wanted = ModelSettings(response_format=ResponseFormat(type=asked, json_schema=schema))

    heard = await ask(stub, question(ECHO, "hello", settings=wanted))

    assert orjson.loads(heard.text) == {"answer": "You said: hello"}


async def test_it_has_a_context_window(stub: LlmRouterServiceStub) -> None:
    failure = await failure_of(stub, question(ECHO, "word " * 40_000))

    assert failure.reason == "LLM_CONTEXT_WINDOW"
