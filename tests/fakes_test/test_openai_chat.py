from typing import Any

import openai
import pytest

from tests.fakes.provider import ProviderFake
from tests.fakes_test.asked import CAPITAL, GREET, ROLL, ROLL_THREE, SIDES

MODEL = "gpt-4o-mini"
TOOLS: Any = [{"type": "function", "function": {"name": "roll_dice", "parameters": SIDES, "strict": True}}]


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


async def test_says_what_it_is_told_to(openai_sdk: openai.AsyncOpenAI) -> None:
    answer = await openai_sdk.chat.completions.create(model=MODEL, messages=user(GREET))

    assert answer.choices[0].message.content == "It's a fine day"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


async def test_streams_the_same_words(openai_sdk: openai.AsyncOpenAI) -> None:
    stream = await openai_sdk.chat.completions.create(
        model=MODEL, messages=user("Reply with 5 words"), stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "w0 w1 w2 w3 w4"
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []


async def test_calls_a_tool_and_reports_its_outcome(openai_sdk: openai.AsyncOpenAI) -> None:
    asked = user(ROLL)
    called = await openai_sdk.chat.completions.create(model=MODEL, messages=asked, tools=TOOLS)
    message = called.choices[0].message.model_dump(include={"role", "content", "tool_calls"})
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": '{"message": "10"}'}
    history: Any = [*asked, message, result]
    reported = await openai_sdk.chat.completions.create(model=MODEL, messages=history, tools=TOOLS)

    assert message["tool_calls"][0]["function"] == {"name": "roll_dice", "arguments": '{"num_sides": 16}'}
    assert called.choices[0].finish_reason == "tool_calls"
    assert reported.choices[0].message.content == "The roll was 10"


async def test_streams_parallel_calls_in_pieces(openai_sdk: openai.AsyncOpenAI) -> None:
    async with openai_sdk.chat.completions.stream(model=MODEL, messages=user(ROLL_THREE), tools=TOOLS) as stream:
        message = (await stream.get_final_completion()).choices[0].message

    calls = [call.function.arguments for call in message.tool_calls or ()]
    assert calls == ['{"num_sides": 6}', '{"num_sides": 12}', '{"num_sides": 20}']


async def test_makes_one_call_at_a_time_when_parallel_calls_are_off(openai_sdk: openai.AsyncOpenAI) -> None:
    answer = await openai_sdk.chat.completions.create(
        model=MODEL, messages=user(ROLL_THREE), tools=TOOLS, parallel_tool_calls=False
    )

    assert len(answer.choices[0].message.tool_calls or ()) == 1


async def test_answers_in_the_schema_asked_for(openai_sdk: openai.AsyncOpenAI) -> None:
    asked: Any = {"type": "json_schema", "json_schema": {"name": "capital", "schema": CAPITAL, "strict": True}}

    answer = await openai_sdk.chat.completions.create(
        model=MODEL, messages=user("What is the capital of France?"), response_format=asked
    )

    assert answer.choices[0].message.content == (
        '{"response": "You said: What is the capital of France?", "certain": true}'
    )


async def test_a_prompt_larger_than_the_window_is_refused(openai_sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await openai_sdk.chat.completions.create(model=MODEL, messages=user("Hello " * 100_000))

    assert caught.value.code == "context_length_exceeded"


CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "x", "arguments": "{}"}}],
}
RETURN = {"role": "tool", "tool_call_id": "call_1", "content": "1"}


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([*user("x"), CALL], "did not have response messages: call_1"),
        ([*user("x"), CALL, *user("y"), RETURN], "did not have response messages: call_1"),
        ([*user("x"), RETURN], "must be a response to a preceeding message"),
        ([{"role": "narrator", "content": "x"}], "Invalid value: 'narrator'"),
        (user(""), "empty content"),
        ([{"role": "user", "content": None}], "expected a string, got null"),
        ([], "empty array"),
    ],
)
async def test_a_broken_history_is_refused(openai_sdk: openai.AsyncOpenAI, messages: Any, said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said):
        await openai_sdk.chat.completions.create(model=MODEL, messages=messages)


@pytest.mark.parametrize(
    ("model", "parameters", "said"),
    [
        (MODEL, {"parallel_tool_calls": True}, "only allowed when 'tools' are specified"),
        (MODEL, {"extra_body": {"surprise": 1}}, "Unrecognized request argument supplied: surprise"),
        (MODEL, {"max_completion_tokens": 65_536}, "is too large"),
        ("gpt-5", {"max_tokens": 100}, "Use 'max_completion_tokens' instead"),
        ("gpt-5", {"temperature": 0.5}, "Only the default"),
    ],
)
async def test_parameters_the_vendor_does_not_take_are_refused(
    openai_sdk: openai.AsyncOpenAI, model: str, parameters: Any, said: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=said):
        await openai_sdk.chat.completions.create(model=model, messages=user("x"), **parameters)


async def test_a_strict_tool_must_close_its_schema(openai_sdk: openai.AsyncOpenAI) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    tools: Any = [{"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}]

    with pytest.raises(openai.BadRequestError, match="'additionalProperties' is required"):
        await openai_sdk.chat.completions.create(model=MODEL, messages=user("x"), tools=tools)


async def test_a_prefix_seen_before_is_reported_as_cached(openai_sdk: openai.AsyncOpenAI) -> None:
    messages: Any = [{"role": "system", "content": "Be brief. " * 600}, *user("x")]
    for _ in range(2):
        answer = await openai_sdk.chat.completions.create(model=MODEL, messages=messages)

    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 1408


async def test_similar_texts_have_near_embeddings(openai_sdk: openai.AsyncOpenAI) -> None:
    texts = ["the cat sat on the mat", "a cat on a mat", "quantum physics"]
    answer = await openai_sdk.embeddings.create(model="text-embedding-3-small", input=texts)
    cat, other_cat, physics = (item.embedding for item in answer.data)

    def nearness(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert len(cat) == 1536
    assert nearness(cat, cat) == pytest.approx(1.0)
    assert nearness(cat, other_cat) > 0.3 > nearness(cat, physics)


async def test_lists_its_models(openai_sdk: openai.AsyncOpenAI) -> None:
    assert MODEL in [model.id async for model in openai_sdk.models.list()]


async def test_a_wrong_key_is_refused(fake: ProviderFake) -> None:
    async with openai.AsyncOpenAI(api_key="invalid", base_url=fake.base_url("openai")) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_an_imitator_has_models_of_its_own(fake: ProviderFake) -> None:
    async with openai.AsyncOpenAI(api_key="key", base_url=fake.base_url("compatible")) as client:
        models = [model.id async for model in client.models.list()]
        answer = await client.chat.completions.create(model=models[0], messages=user(GREET))

    assert answer.choices[0].message.content == "It's a fine day"
