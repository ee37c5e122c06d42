"""Answers in a form that the agent's settings ask for."""

import json
from typing import Any

import pytest
from letta_client import AsyncLetta

from tests.e2e.conftest import MakeAgent
from tests.e2e.ways import send

OPENAI, CLAUDE, GEMINI = "openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5-20250929", "google_ai/gemini-2.5-pro"
SCHEMA = {
    "name": "capital",
    "schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "inhabitants": {"type": "integer"}},
        "required": ["city", "inhabitants"],
        "additionalProperties": False,
    },
}


def settings_for(handle: str, response_format: dict[str, Any]) -> dict[str, Any]:
    """The settings of a model that ask for a form of its answers: Google's have a name of their own for it."""
    name = "response_schema" if handle == GEMINI else "response_format"
    return {"provider_type": handle.split("/")[0], name: response_format}


@pytest.mark.parametrize("handle", [OPENAI, "openai/gpt-5", CLAUDE, GEMINI])
async def test_an_answer_follows_the_schema(client: AsyncLetta, make_agent: MakeAgent, handle: str) -> None:
    settings = settings_for(handle, {"type": "json_schema", "json_schema": SCHEMA})
    agent = await make_agent(handle, model_settings=settings)

    answer = await send(client, agent.id, "What is the capital of France?")

    value = json.loads(answer.text)
    assert isinstance(value["city"], str)
    assert isinstance(value["inhabitants"], int)


@pytest.mark.parametrize("handle", [OPENAI, GEMINI, "zai/glm-4.6"])
async def test_an_answer_is_a_json_object_when_that_is_asked_for(
    client: AsyncLetta, make_agent: MakeAgent, handle: str
) -> None:
    agent = await make_agent(handle, model_settings=settings_for(handle, {"type": "json_object"}))

    answer = await send(client, agent.id, "Answer in JSON.")

    assert isinstance(json.loads(answer.text), dict)
