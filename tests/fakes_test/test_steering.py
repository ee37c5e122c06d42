import asyncio
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.e2e.waiting import eventually
from tests.fakes.provider import ProviderFake
from tests.fakes_test.asked import ROLL, SIDES

MODEL = "gpt-4o-mini"


async def ask(client: openai.AsyncOpenAI, text: str, **options: Any) -> ChatCompletion:
    answer: ChatCompletion = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}], **options
    )
    return answer


async def read(client: openai.AsyncOpenAI, text: str) -> list[str]:
    stream = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}], stream=True
    )
    return [chunk.choices[0].delta.content or "" async for chunk in stream]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
async def test_a_directive_chooses_the_error(
    openai_sdk: openai.AsyncOpenAI, status: int, error: type[openai.APIStatusError]
) -> None:
    with pytest.raises(error) as caught:
        await ask(openai_sdk, f"Hello [[fake: status={status} retry_after=2]]")

    assert caught.value.response.headers["retry-after"] == "2"


@pytest.mark.parametrize("directive", ["drop", "drop=mid_stream"])
async def test_a_directive_closes_the_connection(openai_sdk: openai.AsyncOpenAI, directive: str) -> None:
    with pytest.raises(openai.APIConnectionError):
        await ask(openai_sdk, f"Reply with 9 words [[fake: {directive}]]")
    with pytest.raises(openai.APIConnectionError):
        await read(openai_sdk, f"Reply with 9 words [[fake: {directive}]]")


async def test_a_directive_breaks_the_stream_with_an_error(openai_sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.APIError, match="had an error"):
        await read(openai_sdk, "Reply with 9 words [[fake: stream_error]]")


async def test_a_directive_empties_or_cuts_the_answer(openai_sdk: openai.AsyncOpenAI) -> None:
    empty = await ask(openai_sdk, "Reply with 4 words [[fake: empty]]")
    cut = await ask(openai_sdk, "Reply with 4 words [[fake: finish=length]]")

    assert empty.choices[0].message.content is None
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == ("w0 w1", "length")


async def test_a_directive_can_hold_for_the_first_requests_alone(openai_sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.InternalServerError):
        await ask(openai_sdk, "Hello [[fake: status=500 times=1]]")

    assert (await ask(openai_sdk, "Hello [[fake: status=500 times=1]]")).choices[0].message.content == "You said: Hello"


async def test_a_directive_can_hold_for_one_step_of_the_turn(openai_sdk: openai.AsyncOpenAI) -> None:
    text = f"{ROLL} [[fake: on_step=2 status=500]]"
    tools = [{"type": "function", "function": {"name": "roll_dice", "parameters": SIDES}}]
    called = (await ask(openai_sdk, text, tools=tools)).choices[0].message
    assert called.tool_calls
    history: Any = [
        {"role": "user", "content": text},
        called.model_dump(include={"role", "tool_calls"}),
        {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "7"},
    ]

    with pytest.raises(openai.InternalServerError):
        await openai_sdk.chat.completions.create(model=MODEL, messages=history)


async def test_a_script_breaks_the_next_requests(fake: ProviderFake, openai_sdk: openai.AsyncOpenAI) -> None:
    fake.steering.script("status=500")

    with pytest.raises(openai.InternalServerError):
        await ask(openai_sdk, "Hello")
    assert (await ask(openai_sdk, "Hello")).choices


async def test_delays_go_by_what_the_message_holds(fake: ProviderFake, openai_sdk: openai.AsyncOpenAI) -> None:
    fake.steering.delays["slowly"] = 60_000

    slow = asyncio.create_task(ask(openai_sdk, "Answer slowly"))
    quick = await ask(openai_sdk, "Answer")
    slow.cancel()
    left = await fake.traffic.wait_for(lambda request: request.disconnected)

    assert quick.choices
    assert left.status is None


async def test_a_client_that_leaves_is_noticed(fake: ProviderFake, openai_sdk: openai.AsyncOpenAI) -> None:
    stream: Any = await openai_sdk.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Reply with 100 words [[fake: inter_token_ms=1000]]"}],
        stream=True,
    )
    await anext(aiter(stream))
    await stream.close()
    left = await fake.traffic.wait_for(lambda request: request.disconnected)

    assert not left.finished
    assert left.tokens_sent < 100


async def test_received_requests_are_kept(fake: ProviderFake, openai_sdk: openai.AsyncOpenAI) -> None:
    await ask(openai_sdk, "Hello")
    (received,) = fake.traffic

    assert (received.vendor, received.method, received.path) == ("openai", "POST", "/openai/v1/chat/completions")
    assert received.headers["Authorization"] == "Bearer key"
    assert isinstance(received.body, dict)
    assert received.body["messages"] == [{"role": "user", "content": "Hello"}]
    assert (received.status, received.finished, received.disconnected) == (200, True, False)


async def test_a_directive_holds_an_answer_after_its_first_token(
    openai_sdk: openai.AsyncOpenAI, fake: ProviderFake
) -> None:
    reading = asyncio.create_task(read(openai_sdk, "Reply with 3 words [[fake: hold=here]]"))

    async def has_begun() -> bool:
        return any(received.tokens_sent for received in fake.traffic)

    await eventually(has_begun)
    (held,) = [received.tokens_sent for received in fake.traffic]
    fake.steering.gate("here").set()

    assert "".join(await reading) == "w0 w1 w2"
    assert held == 1
