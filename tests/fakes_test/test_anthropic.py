import copy
from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from tests.fakes_test.asked import CAPITAL, GREET, ROLL, ROLL_THREE, SIDES

MODEL = "claude-opus-4-5-20251101"
THINKING: Any = {
    "model": MODEL,
    "max_tokens": 4096,
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tools": [{"name": "roll_dice", "input_schema": SIDES}],
}


async def call_tool(client: anthropic.AsyncAnthropic) -> list[Any]:
    message = await client.messages.create(messages=[{"role": "user", "content": ROLL}], **THINKING)
    blocks = [block.model_dump(exclude_none=True) for block in message.content]
    result = {"type": "tool_result", "tool_use_id": blocks[-1]["id"], "content": "7"}
    return [
        {"role": "user", "content": ROLL},
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": [result]},
    ]


async def test_says_what_it_is_told_to_without_thinking(anthropic_sdk: anthropic.AsyncAnthropic) -> None:
    message = await anthropic_sdk.messages.create(
        model=MODEL, max_tokens=100, messages=[{"role": "user", "content": GREET}]
    )

    assert [block.model_dump(exclude_none=True) for block in message.content] == [
        {"type": "text", "text": "It's a fine day"}
    ]
    assert message.stop_reason == "end_turn"


async def test_thinks_calls_and_reports(anthropic_sdk: anthropic.AsyncAnthropic) -> None:
    history = await call_tool(anthropic_sdk)
    async with anthropic_sdk.messages.stream(messages=history, **THINKING) as stream:
        final = await stream.get_final_message()

    assert [block["type"] for block in history[1]["content"]] == ["thinking", "tool_use"]
    assert history[1]["content"][1]["input"] == {"num_sides": 16}
    assert final.content[0].type == "thinking"
    assert final.content[0].signature
    assert final.content[1].type == "text"
    assert final.content[1].text == "The roll was 7"


async def test_streams_parallel_calls(anthropic_sdk: anthropic.AsyncAnthropic) -> None:
    async with anthropic_sdk.messages.stream(messages=[{"role": "user", "content": ROLL_THREE}], **THINKING) as stream:
        final = await stream.get_final_message()

    assert [block.input for block in final.content if block.type == "tool_use"] == [
        {"num_sides": 6},
        {"num_sides": 12},
        {"num_sides": 20},
    ]
    assert final.stop_reason == "tool_use"


def alter(place: int, **changes: Any) -> Callable[[list[Any]], list[Any]]:
    def change(history: list[Any]) -> list[Any]:
        history[1]["content"][place].update(changes)
        return history

    return change


def drop_thinking(history: list[Any]) -> list[Any]:
    del history[1]["content"][0]
    return history


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda history: history[:2], "ids were found without `tool_result` blocks"),
        (lambda history: [history[0], history[2]], "unexpected `tool_use_id` found"),
        (lambda history: [*history[:2], {"role": "user", "content": "x"}, history[2]], "without `tool_result`"),
        (lambda history: history[1:], "first message must use the"),
        (alter(0, signature="x"), "Invalid `signature` in `thinking` block"),
        (alter(0, thinking="something else"), "Invalid `signature` in `thinking` block"),
        (alter(0, signature=None), "signature: Field required"),
        (drop_thinking, "Expected `thinking` or `redacted_thinking`, but found `tool_use`"),
        (lambda _: [{"role": "user", "content": ""}], "must be non-empty"),
        (lambda _: [{"role": "system", "content": "x"}], "Unexpected role"),
    ],
)
async def test_a_broken_history_is_refused(
    anthropic_sdk: anthropic.AsyncAnthropic, broken: Callable[[list[Any]], list[Any]], said: str
) -> None:
    history = broken(copy.deepcopy(await call_tool(anthropic_sdk)))

    with pytest.raises(anthropic.BadRequestError, match=said):
        await anthropic_sdk.messages.create(messages=history, **THINKING)


async def test_reads_from_the_cache_up_to_the_mark(anthropic_sdk: anthropic.AsyncAnthropic) -> None:
    marked: Any = [{"type": "text", "text": "Be brief. " * 600, "cache_control": {"type": "ephemeral"}}]
    written, read = [
        (
            await anthropic_sdk.messages.create(
                model=MODEL, max_tokens=100, system=marked, messages=[{"role": "user", "content": text}]
            )
        ).usage
        for text in ("one", "two")
    ]

    assert written.cache_read_input_tokens == 0
    assert written.cache_creation_input_tokens == read.cache_read_input_tokens
    assert (read.cache_read_input_tokens or 0) > 1024


async def test_answers_in_the_schema_asked_for(anthropic_sdk: anthropic.AsyncAnthropic) -> None:
    message = await anthropic_sdk.messages.create(
        model=MODEL,
        max_tokens=100,
        messages=[{"role": "user", "content": "Capital?"}],
        output_config={"format": {"type": "json_schema", "schema": CAPITAL}},
    )

    assert message.content[0].type == "text"
    assert message.content[0].text == '{"response": "You said: Capital?", "certain": true}'


async def test_a_prompt_larger_than_the_window_is_refused(anthropic_sdk: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        await anthropic_sdk.messages.create(
            model=MODEL, max_tokens=100, messages=[{"role": "user", "content": "Hello " * 200_000}]
        )


async def test_counts_tokens_and_lists_models(anthropic_sdk: anthropic.AsyncAnthropic) -> None:
    count = await anthropic_sdk.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": GREET}])

    assert count.input_tokens > 0
    assert MODEL in [model.id async for model in anthropic_sdk.models.list()]
