"""Answers of every provider through the typed face, over the vendors' wire formats."""

import orjson
import pytest

from perdure.conversation.v1.message_pb2 import ROLE_SYSTEM, ROLE_USER, Message, Part
from perdure.conversation.v1.model_pb2 import ModelSettings, ResponseFormat
from perdure.llm_router.v1 import llm_router_service_pb2 as service
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from tests.fakes.provider import ProviderFake
from tests.llm_router.asking import (
    ALL_MODELS,
    CHAT,
    CLAUDE,
    GEMINI,
    GLM,
    PIXEL,
    REASONING_MODELS,
    RESPONSES,
    ROLL_DICE,
    THINKING,
    ask,
    question,
    returned,
    say,
    spoken,
)

ROLL = "Call the roll_dice tool with 16 sides and reply back to me with the outcome."
CALL_TWICE = 'call tool roll_dice with {"num_sides": 6} and call tool roll_dice with {"num_sides": 20}'
SCHEMA = {
    "name": "answer",
    "strict": True,
    "schema": {
        "type": "object",
        "properties": {"response": {"type": "string"}, "why": {"type": "string"}},
        "required": ["response", "why"],
        "additionalProperties": False,
    },
}
WANTS_SCHEMA = ModelSettings(
    response_format=ResponseFormat(type="json_schema", json_schema=orjson.dumps(SCHEMA).decode())
)
SERIAL = ModelSettings(parallel_tool_calls=False)


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_a_text_comes_in_deltas_and_as_a_whole(stub: LlmRouterServiceStub, model: str) -> None:
    heard = await ask(stub, question(model, "Reply with the message 'Teamwork makes the dream work'."))

    assert heard.text == "Teamwork makes the dream work"
    assert heard.completion.finish_reason == service.FINISH_REASON_STOP
    assert heard.completion.model.handle == model
    assert heard.completion.usage.prompt_tokens > 0
    assert heard.completion.usage.total_tokens >= heard.completion.usage.prompt_tokens


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_deltas_add_up_to_the_parts_of_the_completion(stub: LlmRouterServiceStub, model: str) -> None:
    heard = await ask(stub, question(model, CALL_TWICE, tools=[ROLL_DICE], settings=THINKING))

    parts = heard.completion.parts
    whole = {i: part.tool_call.arguments or part.reasoning.text or part.text for i, part in enumerate(parts)}
    assert heard.grown() == whole


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_parallel_calls_have_ids_of_their_own_from_the_first_delta(
    stub: LlmRouterServiceStub, model: str
) -> None:
    heard = await ask(stub, question(model, CALL_TWICE, tools=[ROLL_DICE]))

    calls = [part.tool_call for part in heard.completion.parts if part.HasField("tool_call")]
    deltas = [event.tool_call for event in heard.events if event.HasField("tool_call")]
    assert [orjson.loads(call.arguments) for call in calls] == [{"num_sides": 6}, {"num_sides": 20}]
    assert list(dict.fromkeys(delta.id for delta in deltas)) == [call.id for call in calls]
    assert [delta.name for delta in deltas if delta.name] == ["roll_dice", "roll_dice"]
    assert heard.completion.finish_reason == service.FINISH_REASON_TOOL_CALLS


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_one_call_at_a_time_when_parallel_calls_are_off(stub: LlmRouterServiceStub, model: str) -> None:
    heard = await ask(stub, question(model, CALL_TWICE, tools=[ROLL_DICE], settings=SERIAL))

    assert sum(part.HasField("tool_call") for part in heard.completion.parts) == 1


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_a_model_gets_the_return_of_its_call(stub: LlmRouterServiceStub, model: str) -> None:
    called = (await ask(stub, question(model, ROLL, tools=[ROLL_DICE], settings=THINKING))).completion

    heard = await ask(
        stub,
        question(model, ROLL, spoken(called, model), returned(called), tools=[ROLL_DICE], settings=THINKING),
    )

    assert heard.text == "The roll was 7"


@pytest.mark.parametrize("model", REASONING_MODELS)
async def test_reasoning_comes_before_what_it_led_to(stub: LlmRouterServiceStub, model: str) -> None:
    heard = await ask(stub, question(model, "Say 'yes'.", settings=THINKING))

    assert [part.WhichOneof("kind") for part in heard.completion.parts] == ["reasoning", "text"]
    assert heard.completion.parts[0].reasoning.text
    assert heard.completion.usage.reasoning_tokens > 0


@pytest.mark.parametrize("model", [RESPONSES, CLAUDE, GEMINI])
async def test_what_a_provider_wants_back_goes_back_verbatim(
    stub: LlmRouterServiceStub, fake: ProviderFake, model: str
) -> None:
    called = (await ask(stub, question(model, ROLL, tools=[ROLL_DICE], settings=THINKING))).completion
    opaque = {"signature", "encrypted_content", "thoughtSignature"}
    data = [orjson.loads(part.provider_data) for part in called.parts if part.provider_data]
    kept = [value for item in data for key, value in item.items() if key in opaque]

    await ask(
        stub, question(model, ROLL, spoken(called, model), returned(called), tools=[ROLL_DICE], settings=THINKING)
    )

    sent = orjson.dumps(list(fake.traffic)[-1].body).decode()
    assert kept
    assert all(value in sent for value in kept)


async def test_thoughts_of_glm_go_back_as_reasoning_content(stub: LlmRouterServiceStub, fake: ProviderFake) -> None:
    called = (await ask(stub, question(GLM, ROLL, tools=[ROLL_DICE]))).completion

    await ask(stub, question(GLM, ROLL, spoken(called, GLM), returned(called), tools=[ROLL_DICE]))

    body = list(fake.traffic)[-1].body
    assert isinstance(body, dict)
    assert body["messages"][2]["reasoning_content"] == called.parts[0].reasoning.text
    assert body["thinking"] == {"type": "enabled", "clear_thinking": False}


@pytest.mark.parametrize("first", ALL_MODELS)
@pytest.mark.parametrize("second", ALL_MODELS)
async def test_a_conversation_goes_on_with_another_provider_between_call_and_return(
    stub: LlmRouterServiceStub, first: str, second: str
) -> None:
    called = (await ask(stub, question(first, ROLL, tools=[ROLL_DICE], settings=THINKING))).completion

    heard = await ask(
        stub,
        question(second, ROLL, spoken(called, first), returned(called), tools=[ROLL_DICE], settings=THINKING),
    )

    assert heard.text == "The roll was 7"


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_a_conversation_with_calls_goes_on_without_tools(stub: LlmRouterServiceStub, model: str) -> None:
    called = (await ask(stub, question(model, ROLL, tools=[ROLL_DICE]))).completion

    heard = await ask(stub, question(model, ROLL, spoken(called, model), returned(called), "Say 'well'."))

    assert heard.text == "well"


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_a_call_without_a_return_does_not_end_the_conversation(stub: LlmRouterServiceStub, model: str) -> None:
    called = (await ask(stub, question(model, ROLL, tools=[ROLL_DICE], settings=THINKING))).completion

    heard = await ask(
        stub, question(model, ROLL, spoken(called, model), "Say 'on'.", tools=[ROLL_DICE], settings=THINKING)
    )

    assert heard.text == "on"


@pytest.mark.parametrize("model", [CHAT, RESPONSES, CLAUDE])
async def test_an_answer_fits_the_schema_that_was_asked_for(stub: LlmRouterServiceStub, model: str) -> None:
    heard = await ask(stub, question(model, "Capital of France?", tools=[ROLL_DICE], settings=WANTS_SCHEMA))

    assert set(orjson.loads(heard.text)) == {"response", "why"}


async def test_gemini_fits_a_schema_when_it_has_no_tools(stub: LlmRouterServiceStub) -> None:
    heard = await ask(stub, question(GEMINI, "Capital of France?", settings=WANTS_SCHEMA))

    assert set(orjson.loads(heard.text)) == {"response", "why"}


@pytest.mark.parametrize("model", [GEMINI, GLM])
async def test_a_schema_is_put_into_words_where_there_is_no_other_way(
    stub: LlmRouterServiceStub, fake: ProviderFake, model: str
) -> None:
    await ask(stub, question(model, "Capital of France?", tools=[ROLL_DICE], settings=WANTS_SCHEMA))

    assert b"JSON schema" in orjson.dumps(list(fake.traffic)[-1].body)


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_a_named_tool_is_called(stub: LlmRouterServiceStub, model: str) -> None:
    heard = await ask(stub, question(model, "Hello", tools=[ROLL_DICE], tool_choice="roll_dice", settings=THINKING))

    assert [part.tool_call.name for part in heard.completion.parts if part.HasField("tool_call")] == ["roll_dice"]


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_an_answer_cut_at_its_length_says_so(stub: LlmRouterServiceStub, model: str) -> None:
    heard = await ask(stub, question(model, "Reply with 20 words [[fake: finish=length]]"))

    assert heard.completion.finish_reason == service.FINISH_REASON_LENGTH
    assert heard.text


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_an_image_reaches_models_that_see_and_is_mentioned_to_others(
    stub: LlmRouterServiceStub, fake: ProviderFake, model: str
) -> None:
    picture = Message(role=ROLE_USER, parts=[Part(text="Look:"), Part(image=PIXEL), Part(text="Say 'seen'.")])

    heard = await ask(stub, question(model, picture))

    sent = orjson.dumps(list(fake.traffic)[-1].body)
    assert heard.text == "seen"
    assert (b"iVBORw" in sent) == (model != GLM)
    assert (b"cannot see" in sent) == (model == GLM)


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_an_image_in_a_tool_return_is_accepted(stub: LlmRouterServiceStub, model: str) -> None:
    called = (await ask(stub, question(model, ROLL, tools=[ROLL_DICE], settings=THINKING))).completion
    result = returned(called)
    result.parts[0].tool_return.images.append(PIXEL)

    heard = await ask(stub, question(model, ROLL, spoken(called, model), result, tools=[ROLL_DICE], settings=THINKING))

    assert heard.completion.parts


async def test_a_broken_call_is_shown_to_the_model_that_made_it(stub: LlmRouterServiceStub, fake: ProviderFake) -> None:
    called = (await ask(stub, question(CHAT, f"{ROLL} [[fake: tool_args='{{oops']]", tools=[ROLL_DICE]))).completion
    assert called.parts[0].tool_call.arguments == "{oops"

    await ask(stub, question(CLAUDE, ROLL, spoken(called, CHAT), returned(called), tools=[ROLL_DICE]))

    assert b'"unreadable_arguments":"{oops"' in orjson.dumps(list(fake.traffic)[-1].body)


async def test_claude_has_system_tools_and_last_message_cached(stub: LlmRouterServiceStub, fake: ProviderFake) -> None:
    await ask(stub, question(CLAUDE, "Hello", tools=[ROLL_DICE]))

    body = list(fake.traffic)[-1].body
    assert isinstance(body, dict)
    marked = (body["system"][-1], body["tools"][-1], body["messages"][-1]["content"][-1])
    assert all(block["cache_control"] == {"type": "ephemeral"} for block in marked)


async def test_a_system_message_in_mid_conversation_reaches_every_model(stub: LlmRouterServiceStub) -> None:
    for model in ALL_MODELS:
        aside = say("The user is in a hurry.", ROLE_SYSTEM)

        heard = await ask(stub, question(model, "Hello", aside, "Say 'fine'."))

        assert heard.text == "fine", model
