"""Every model configuration, through its own wire protocol, in every way of sending."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from letta_client import AsyncLetta

from tests.e2e.conftest import MakeAgent
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Vendors
from tests.e2e.ways import WAYS, Way, last_run, messages_of, send


@dataclass(frozen=True)
class Model:
    """A model as programs configure it, and the path on which its vendor is to be asked."""

    handle: str
    path: str
    settings: dict[str, Any]
    thinks: bool = False


MODELS = (
    Model("openai/gpt-4o-mini", "/openai/v1/chat/completions", {"provider_type": "openai"}),
    Model("openai/gpt-4.1-2025-04-14", "/openai/v1/chat/completions", {"provider_type": "openai", "temperature": 0.5}),
    Model(
        "openai/gpt-5",
        "/openai/v1/responses",
        {"provider_type": "openai", "reasoning": {"reasoning_effort": "high"}},
        thinks=True,
    ),
    Model(
        "anthropic/claude-sonnet-4-5-20250929",
        "/anthropic/v1/messages",
        {"provider_type": "anthropic", "thinking": {"type": "enabled", "budget_tokens": 1024}},
        thinks=True,
    ),
    Model(
        "google_ai/gemini-2.5-pro",
        "/gemini/v1beta/models/gemini-2.5-pro:streamGenerateContent",
        {"provider_type": "google_ai", "thinking_config": {"include_thoughts": True, "thinking_budget": 1024}},
        thinks=True,
    ),
    Model("zai/glm-4.6", "/zai/api/paas/v4/chat/completions", {"provider_type": "zai"}, thinks=True),
)
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.handle)
each_way = pytest.mark.parametrize("way", WAYS)


def expected(model: Model, *kinds: str) -> list[str]:
    """The kinds of messages, those that a model thinks before with its thoughts."""
    thoughts = ["reasoning_message"] if model.thinks else []
    return [kind for said in kinds for kind in ([said] if said == "tool_return_message" else [*thoughts, said])]


@each_model
@each_way
async def test_a_greeting_is_answered(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str, *, model: Model, way: Way
) -> None:
    agent = await make_agent(model.handle, model_settings=model.settings)

    answer = await send(client, agent.id, f"Reply with the message 'Good {word}'.", way)

    assert answer.kinds == expected(model, "assistant_message")
    assert answer.text == f"Good {word}"
    assert answer.stop_reason == "end_turn"
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    assert (await vendors.last(word))["path"] == model.path
    listed = await messages_of(client, agent.id)
    assert [one.message_type for one in listed] == ["system_message", "user_message", *answer.kinds]


@each_model
@each_way
async def test_a_tool_is_called(client: AsyncLetta, make_agent: MakeAgent, *, model: Model, way: Way) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(model.handle, model_settings=model.settings, tool_ids=[tool.id])

    answer = await send(client, agent.id, "Call the roll_dice tool with 16 sides.", way)

    assert answer.kinds == expected(model, "tool_call_message", "tool_return_message", "assistant_message")
    assert answer.only("tool_return_message").tool_return == "8"
    assert answer.text == "The roll was 8"
    assert (await last_run(client, agent.id)).status == "completed"


@pytest.mark.parametrize("model", [MODELS[0], MODELS[3]], ids=lambda model: model.handle)
@pytest.mark.parametrize("way", ["step", "stream_tokens"])
async def test_calls_made_at_once_are_one_message(
    client: AsyncLetta, make_agent: MakeAgent, *, model: Model, way: Way
) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    settings = {**model.settings, "parallel_tool_calls": True}
    agent = await make_agent(model.handle, model_settings=settings, tool_ids=[tool.id])

    await send(client, agent.id, "Call the roll_dice tool with num_sides=6, num_sides=12 and num_sides=20.", way)

    stored = await messages_of(client, agent.id)
    (call,) = (one for one in stored if one.message_type == "tool_call_message")
    (result,) = (one for one in stored if one.message_type == "tool_return_message")
    assert [json.loads(one.arguments)["num_sides"] for one in call.tool_calls] == [6, 12, 20]
    assert [one.tool_return for one in result.tool_returns] == ["3", "6", "10"]
    assert [one.tool_call_id for one in result.tool_returns] == [one.tool_call_id for one in call.tool_calls]


async def test_a_model_that_no_list_names_works(client: AsyncLetta, make_agent: MakeAgent) -> None:
    agent = await make_agent("local/some-model-of-mine")

    answer = await send(client, agent.id, "Reply with the message 'Here'.")

    assert answer.text == "Here"


async def test_models_are_listed_with_their_handles(client: AsyncLetta) -> None:
    handles = {model.handle for model in await client.models.list()}

    assert {"perdure/echo", "openai/gpt-4o-mini", "local/llama-3.3-70b", "zai/glm-4.6"} <= handles
    assert {model.handle for model in await client.models.embeddings.list()} >= {"openai/text-embedding-3-small"}


async def test_another_model_for_one_request_leaves_the_agent_as_it_is(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str
) -> None:
    agent = await make_agent("openai/gpt-4o-mini")

    await client.agents.messages.create(agent.id, input=f"Hello {word}", override_model="zai/glm-4.6")

    assert (await vendors.last(word))["vendor"] == "zai"
    assert (await client.agents.retrieve(agent.id)).model == "openai/gpt-4o-mini"


@each_model
@pytest.mark.parametrize("content", ["", "  ", [], [{"type": "text", "text": ""}]], ids=repr)
async def test_a_message_without_words_bricks_no_agent(
    client: AsyncLetta, make_agent: MakeAgent, model: Model, content: Any
) -> None:
    agent = await make_agent(model=model.handle, model_settings=model.settings)

    await client.agents.messages.create(agent.id, messages=[{"role": "user", "content": content}])
    answer = await client.agents.messages.create(agent.id, input="Reply with the message 'Still here'.")

    assert "Still here" in [getattr(message, "content", "") for message in answer.messages]
