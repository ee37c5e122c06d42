from typing import Any

import openai
import pytest

from tests.fakes_test.asked import GREET, ROLL, SIDES

ASKED: Any = [{"role": "user", "content": [{"type": "input_text", "text": ROLL}]}]
REASONING: Any = {
    "model": "gpt-5",
    "tools": [{"type": "function", "name": "roll_dice", "parameters": SIDES, "strict": True}],
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "high", "summary": "auto"},
}


async def call_tool(client: openai.AsyncOpenAI) -> list[Any]:
    response = await client.responses.create(input=ASKED, **REASONING)
    items = [item.model_dump(exclude_none=True) for item in response.output]
    return [*ASKED, *items, {"type": "function_call_output", "call_id": items[-1]["call_id"], "output": "7"}]


async def test_reasons_calls_and_reports(openai_sdk: openai.AsyncOpenAI) -> None:
    history = await call_tool(openai_sdk)
    async with openai_sdk.responses.stream(input=history, **REASONING) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()

    assert [item.get("type") for item in history[1:]] == ["reasoning", "function_call", "function_call_output"]
    assert history[1]["encrypted_content"]
    assert final.output_text == "The roll was 7"
    assert final.usage is not None
    assert final.usage.output_tokens_details.reasoning_tokens > 0
    assert kinds[0] == "response.created"
    assert "response.reasoning_summary_text.delta" in kinds
    assert kinds[-1] == "response.completed"


async def test_does_not_reason_at_minimal_effort(openai_sdk: openai.AsyncOpenAI) -> None:
    response = await openai_sdk.responses.create(model="gpt-5", input=GREET, reasoning={"effort": "minimal"})

    assert [item.type for item in response.output] == ["message"]
    assert response.output_text == "It's a fine day"


async def test_encrypts_reasoning_only_when_asked(openai_sdk: openai.AsyncOpenAI) -> None:
    response = await openai_sdk.responses.create(model="gpt-5", input=GREET, reasoning={"effort": "high"})

    assert response.output[0].type == "reasoning"
    assert response.output[0].encrypted_content is None
    assert response.output[0].summary == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda items: items[:-1], "No tool output found for function call"),
        (lambda items: [items[0], items[3]], "No tool call found for function call output"),
        (lambda items: [items[0], {**items[1], "encrypted_content": "x"}, *items[2:]], "could not be verified"),
        (lambda items: [*items, items[1]], "without its required following item"),
        (lambda items: [{**items[0], "role": "narrator"}], "Invalid value: 'narrator'"),
        (lambda items: [{"role": "assistant", "content": items[0]["content"]}], "Invalid value: 'input_text'"),
        (lambda items: [*items[:2], {**items[2], "id": "call_1"}, items[3]], "Expected an ID that begins with 'fc'"),
    ],
)
async def test_a_broken_history_is_refused(openai_sdk: openai.AsyncOpenAI, broken: Any, said: str) -> None:
    items = await call_tool(openai_sdk)

    with pytest.raises(openai.BadRequestError, match=said):
        await openai_sdk.responses.create(input=broken(items), **REASONING)


async def test_reasoning_that_was_not_stored_needs_its_encrypted_content(openai_sdk: openai.AsyncOpenAI) -> None:
    items = await call_tool(openai_sdk)
    del items[1]["encrypted_content"]

    with pytest.raises(openai.NotFoundError, match="not persisted"):
        await openai_sdk.responses.create(input=items, **REASONING)


async def test_a_cut_answer_is_incomplete(openai_sdk: openai.AsyncOpenAI) -> None:
    response = await openai_sdk.responses.create(model="gpt-4o", input="Reply with 9 words", max_output_tokens=3)

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
