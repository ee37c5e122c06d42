from collections.abc import Callable
from typing import Any

import pytest
from google.genai import errors, types
from google.genai.client import AsyncClient

from tests.fakes_test.asked import CAPITAL, GREET, ROLL, ROLL_THREE

MODEL = "gemini-2.5-pro"
SIDES = types.Schema(
    type=types.Type.OBJECT,
    properties={"num_sides": types.Schema(type=types.Type.INTEGER)},
    required=["num_sides"],
)
THINKING = types.GenerateContentConfig(
    tools=[types.Tool(function_declarations=[types.FunctionDeclaration(name="roll_dice", parameters=SIDES)])],
    thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024),
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
)


def user(*parts: types.Part) -> types.Content:
    return types.Content(role="user", parts=list(parts))


def rolled() -> types.Part:
    return types.Part(function_response=types.FunctionResponse(name="roll_dice", response={"result": "7"}))


async def answer_parts(client: AsyncClient, contents: Any, config: Any = THINKING) -> list[types.Part]:
    response = await client.models.generate_content(model=MODEL, contents=contents, config=config)
    assert response.candidates is not None
    assert response.candidates[0].content is not None
    return list(response.candidates[0].content.parts or ())


async def test_says_what_it_is_told_to_without_thoughts(gemini_sdk: AsyncClient) -> None:
    (part,) = await answer_parts(gemini_sdk, GREET, None)

    assert part.text == "It's a fine day"


async def test_thinks_calls_and_reports(gemini_sdk: AsyncClient) -> None:
    thought, call = await answer_parts(gemini_sdk, ROLL)
    history = [user(types.Part(text=ROLL)), types.Content(role="model", parts=[thought, call]), user(rolled())]
    stream = await gemini_sdk.models.generate_content_stream(model=MODEL, contents=history, config=THINKING)
    chunks = [chunk async for chunk in stream]

    assert thought.thought
    assert call.thought_signature
    assert call.function_call is not None
    assert call.function_call.args == {"num_sides": 16}
    assert "".join(chunk.text or "" for chunk in chunks) == "The roll was 7"
    assert chunks[-1].usage_metadata is not None
    assert chunks[-1].usage_metadata.thoughts_token_count


async def test_signs_the_first_of_parallel_calls(gemini_sdk: AsyncClient) -> None:
    _, *calls = await answer_parts(gemini_sdk, ROLL_THREE)

    assert [call.function_call and call.function_call.args for call in calls] == [
        {"num_sides": 6},
        {"num_sides": 12},
        {"num_sides": 20},
    ]
    assert [bool(call.thought_signature) for call in calls] == [True, False, False]


def sign(signature: bytes | None) -> Callable[[list[types.Content]], list[types.Content]]:
    def change(history: list[types.Content]) -> list[types.Content]:
        assert history[1].parts is not None
        history[1].parts[-1].thought_signature = signature
        return history

    return change


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda history: history[:2], "ends with a user role or a function response"),
        (lambda history: [history[0], history[2]], "immediately after a function call turn"),
        (lambda history: [*history[:2], user(rolled(), rolled())], "number of function response parts is equal"),
        (lambda history: history[1:], "comes immediately after a user turn"),
        (sign(b"x"), "Corrupted thought signature"),
        (sign(None), "missing a thought_signature"),
        (lambda _: [types.Content(role="narrator", parts=[types.Part(text="x")])], "valid role"),
        (lambda _: [user(types.Part(text=""))], "required oneof field"),
    ],
)
async def test_a_broken_history_is_refused(
    gemini_sdk: AsyncClient, broken: Callable[[list[types.Content]], list[types.Content]], said: str
) -> None:
    called = types.Content(role="model", parts=await answer_parts(gemini_sdk, ROLL))
    history: Any = broken([user(types.Part(text=ROLL)), called, user(rolled())])

    with pytest.raises(errors.ClientError, match=said):
        await gemini_sdk.models.generate_content(model=MODEL, contents=history, config=THINKING)


async def test_answers_in_the_schema_asked_for(gemini_sdk: AsyncClient) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=CAPITAL)

    (part,) = await answer_parts(gemini_sdk, "Capital?", config)

    assert part.text == '{"response": "You said: Capital?", "certain": true}'


async def test_arguments_that_are_no_json_end_the_answer(gemini_sdk: AsyncClient) -> None:
    response = await gemini_sdk.models.generate_content(
        model=MODEL, contents=f"{ROLL} [[fake: tool_args=oops]]", config=THINKING
    )

    assert response.candidates is not None
    assert response.candidates[0].finish_reason is types.FinishReason.MALFORMED_FUNCTION_CALL


async def test_a_prompt_larger_than_the_window_is_refused(gemini_sdk: AsyncClient) -> None:
    with pytest.raises(errors.ClientError, match="exceeds the maximum number of tokens allowed"):
        await gemini_sdk.models.generate_content(model=MODEL, contents="Hello " * 800_000)


@pytest.mark.parametrize(
    ("model", "asked", "length"),
    [("gemini-embedding-001", None, 3072), ("text-embedding-004", None, 768), ("gemini-embedding-001", 768, 768)],
)
async def test_embeds_in_the_right_dimension(
    gemini_sdk: AsyncClient, model: str, asked: int | None, length: int
) -> None:
    config = types.EmbedContentConfig(output_dimensionality=asked)

    response = await gemini_sdk.models.embed_content(model=model, contents=["one", "two"], config=config)

    assert [len(item.values or ()) for item in response.embeddings or ()] == [length, length]


async def test_lists_its_models(gemini_sdk: AsyncClient) -> None:
    assert f"models/{MODEL}" in [model.name async for model in await gemini_sdk.models.list()]
