from typing import Any

import openai
import pytest

from tests.fakes_test.asked import GREET, ROLL_THREE, SIDES

MODEL = "glm-4.6"
TOOLS: Any = [{"type": "function", "function": {"name": "roll_dice", "parameters": SIDES}}]


async def test_always_reasons(zai_sdk: openai.AsyncOpenAI) -> None:
    answer = await zai_sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": GREET}])

    assert answer.choices[0].message.content == "It's a fine day"
    assert answer.choices[0].message.model_dump()["reasoning_content"]


async def test_streams_reasoning_before_whole_calls_and_usage_at_the_end(zai_sdk: openai.AsyncOpenAI) -> None:
    stream = await zai_sdk.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": ROLL_THREE}], tools=TOOLS, stream=True
    )
    chunks = [chunk async for chunk in stream]

    deltas = [chunk.choices[0].delta for chunk in chunks]
    called = [delta.tool_calls[0].function for delta in deltas if delta.tool_calls]
    assert deltas[0].model_dump()["reasoning_content"]
    assert [function and function.arguments for function in called] == [
        '{"num_sides": 6}',
        '{"num_sides": 12}',
        '{"num_sides": 20}',
    ]
    assert chunks[-1].usage is not None
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_a_prompt_larger_than_the_window_is_refused(zai_sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await zai_sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello " * 150_000}])

    assert caught.value.body == {"code": "1261", "message": "Prompt exceeds max length"}
