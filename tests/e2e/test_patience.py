"""Answers that take longer than their clients wait for a byte."""

import httpx
import pytest
from letta_client import AsyncLetta

from services.cli.stack import Stack
from tests.e2e.conftest import MakeAgent
from tests.e2e.ways import WAYS, Way, messages_of, send

READ_TIMEOUT_S = 2.0  # seconds; the SDK's own is 60
LONGER_S = 5.0  # seconds until the model begins to answer


@pytest.mark.parametrize("way", [way for way in WAYS if way != "async"])
async def test_a_silent_model_outlasts_the_read_timeout(
    stack: Stack, client: AsyncLetta, make_agent: MakeAgent, word: str, way: Way
) -> None:
    agent = await make_agent()
    text = f"Hello {word}"

    async with AsyncLetta(base_url=stack.url, timeout=READ_TIMEOUT_S, max_retries=0) as impatient:
        answer = await send(impatient, agent.id, f"{text} [[fake: ttft_ms={LONGER_S * 1000:.0f}]]", way)

    assert answer.text == f"You said: {text}"
    kinds = [message.message_type for message in await messages_of(client, agent.id)]
    assert kinds == ["system_message", "user_message", "assistant_message"]


async def test_a_failure_after_white_space_is_told_in_the_body(http: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    agent = await make_agent()
    body = {"input": f"Hello [[fake: status=400 ttft_ms={LONGER_S * 1000:.0f}]]"}
    headers = {"x-stainless-read-timeout": str(READ_TIMEOUT_S)}

    response = await http.post(f"/v1/agents/{agent.id}/messages", json=body, headers=headers)

    assert response.status_code == httpx.codes.OK
    assert response.text.startswith(" ")
    assert response.json()["error"]["type"] == "llm_bad_request"
