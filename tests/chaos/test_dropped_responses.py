"""Answers get lost on their way: the unmodified SDK sends again, and every message is there once."""

import asyncio
import re
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import httpx
from letta_client import APIConnectionError, AsyncLetta, Omit

from tests.chaos.arena import Arena
from tests.chaos.conftest import Figures
from tests.chaos.lossy_proxy import LOSSES, Loss, lossy_proxy
from tests.e2e.ways import answer_of, join

SENDERS = 20  # at once, each to an agent of its own
NOT_COUNTED: Mapping[str, Any] = {"x-stainless-retry-count": Omit()}  # Any: takes the SDK's own header away
_RETRY_COUNT = re.compile(rb"x-stainless-retry-count: (\d+)", re.IGNORECASE)
_KINDS = (b"/messages HTTP", b"/messages/stream HTTP", b"/messages/async HTTP")

Send = Callable[[AsyncLetta, str, str], Awaitable[str]]


async def by_json(sdk: AsyncLetta, agent_id: str, text: str) -> str:
    response = await sdk.agents.messages.create(agent_id, input=text)
    return "".join(str(one.content) for one in response.messages if one.message_type == "assistant_message")


async def by_stream(sdk: AsyncLetta, agent_id: str, text: str) -> str:
    events = await sdk.agents.messages.create(agent_id, input=text, streaming=True, stream_tokens=True)
    return join([event async for event in events]).text


async def by_background(sdk: AsyncLetta, agent_id: str, text: str) -> str:
    message: Any = {"role": "user", "content": text, "otid": str(uuid.uuid4())}  # Any: the SDK's union of messages
    events = await sdk.agents.messages.create(agent_id, messages=[message], streaming=True, background=True)
    return join([event async for event in events]).text


async def by_run(sdk: AsyncLetta, agent_id: str, text: str) -> str:
    run = await sdk.agents.messages.create_async(agent_id, input=text)
    return (await answer_of(sdk, run.id)).text


async def by_otid(sdk: AsyncLetta, agent_id: str, text: str) -> str:
    """The program repeats by itself, and only the otid tells so."""
    message: Any = {"role": "user", "content": text, "otid": str(uuid.uuid4())}  # Any: the SDK's union of messages
    once = sdk.with_options(max_retries=0)
    with suppress(APIConnectionError, httpx.TransportError):
        join([event async for event in await _stream_in_background(once, agent_id, message)])
    events = await _stream_in_background(once, agent_id, message, extra_headers=NOT_COUNTED)
    return join([event async for event in events]).text


async def _stream_in_background(sdk: AsyncLetta, agent_id: str, message: Any, **options: Any) -> Any:
    return await sdk.agents.messages.create(agent_id, messages=[message], streaming=True, background=True, **options)


async def by_key(sdk: AsyncLetta, agent_id: str, text: str) -> str:
    """The program repeats by itself, and only the key of its header tells so."""
    key: Mapping[str, Any] = {"Idempotency-Key": str(uuid.uuid4())}
    once = sdk.with_options(max_retries=0)
    with suppress(APIConnectionError, httpx.TransportError):
        await once.agents.messages.create(agent_id, input=text, extra_headers=key)
    response = await once.agents.messages.create(agent_id, input=text, extra_headers={**key, **NOT_COUNTED})
    return "".join(str(one.content) for one in response.messages if one.message_type == "assistant_message")


WAYS: tuple[Send, ...] = (by_json, by_stream, by_background, by_run, by_otid, by_key)


async def follow(sdk: AsyncLetta, agent_id: str) -> str:
    """The answer of the agent's latest run: what a program does whose stream broke off under it."""
    [run] = (await sdk.runs.list(agent_id=agent_id, limit=1)).items
    return (await answer_of(sdk, run.id)).text


def lose(random: Random, lost: Counter[str], head: bytes) -> Loss | None:
    """The first answer to each send always, the second now and then, the last never. Counts them by kind."""
    count = _RETRY_COUNT.search(head)
    again = int(count[1]) if count else 2
    if not head.startswith(b"POST") or not any(kind in head for kind in _KINDS) or again > 1:
        return None
    if again == 1 and random.random() < 0.7:
        return None
    loss = random.choice(LOSSES)
    lost[loss] += 1
    return loss


async def test_a_message_whose_answer_is_lost_is_there_once(arena: Arena, figures: Figures) -> None:
    lost = Counter[str]()
    sends = arena.scale.pick(full=1000, short=40)
    async with (
        lossy_proxy(arena.stack.options.port, partial(lose, arena.random, lost)) as url,
        AsyncLetta(base_url=url, timeout=arena.sdk.timeout) as sdk,
    ):

        async def carry_out(sender: int) -> tuple[str, list[str]]:
            """Sends one after the other, and each once more on purpose; the agent and what was sent."""
            agent_id, sent = await arena.make_agent(), []
            for number in range(sender, sends, SENDERS):
                text = f"message {number} of {agent_id}"
                send = WAYS[(number // SENDERS + sender) % len(WAYS)]
                try:
                    said = await send(sdk, agent_id, text)
                except (APIConnectionError, httpx.TransportError):  # amid a stream: the SDK cannot repeat
                    said = await follow(arena.sdk, agent_id)
                again = await send(arena.sdk, agent_id, text)
                sent += [text, text]
                assert [said, again] == [f"You said: {text}"] * 2, send.__name__
            return agent_id, sent

        done = await asyncio.gather(*(carry_out(sender) for sender in range(SENDERS)))

    figures |= {"sends": sends} | {f"lost at the {kind}": count for kind, count in lost.items()}
    for agent_id, sent in done:
        assert await heard(arena, agent_id) == sent
    figures["user messages"] = sum(len(sent) for _, sent in done)


async def heard(arena: Arena, agent_id: str) -> list[str]:
    """The texts that users said to an agent, in order."""
    page = await arena.sdk.agents.messages.list(agent_id, limit=1000, order="asc")
    return [str(one.content) for one in page.items if one.message_type == "user_message"]
