"""Answers that take longer than their clients wait for a byte."""

import asyncio

import httpx
from letta_client import AsyncLetta

from services.cli.stack import Stack
from tests.e2e.conftest import MakeAgent
from tests.e2e.ways import WAYS, messages_of, send

READ_TIMEOUT_S = 12.0  # seconds; the SDK's own is 60
LONGER_S = 15.0  # seconds until the model begins to answer


async def test_a_silent_model_outlasts_the_read_timeout_in_every_way(
    stack: Stack, client: AsyncLetta, make_agent: MakeAgent, word: str
) -> None:
    agents = {way: await make_agent() for way in WAYS if way != "async"}
    text = f"Hello {word}"
    asked = f"{text} [[fake: ttft_ms={LONGER_S * 1000:.0f}]]"

    async with AsyncLetta(base_url=stack.url, timeout=READ_TIMEOUT_S, max_retries=0) as impatient:
        answers = await asyncio.gather(*(send(impatient, agent.id, asked, way) for way, agent in agents.items()))

    assert {way: answer.text for way, answer in zip(agents, answers, strict=True)} == dict.fromkeys(
        agents, f"You said: {text}"
    )
    for agent in agents.values():
        kinds = [message.message_type for message in await messages_of(client, agent.id)]
        assert kinds == ["system_message", "user_message", "assistant_message"]


async def test_a_failure_after_white_space_is_told_in_the_body(http: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    agent = await make_agent()
    body = {"input": "Hello [[fake: status=400 ttft_ms=5000]]"}

    response = await http.post(f"/v1/agents/{agent.id}/messages", json=body, headers={"x-stainless-read-timeout": "2"})

    assert response.status_code == httpx.codes.OK
    assert response.text.startswith(" ")
    assert response.json()["error"]["type"] == "llm_bad_request"
