"""More tools than a provider takes do not end a conversation."""

from typing import Any

import pytest

from perdure.conversation.v1.model_pb2 import ModelSettings, ToolDefinition
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from tests.fakes.provider import ProviderFake
from tests.llm_router.asking import CHAT, CLAUDE, RESPONSES, ask, question

STRICT = ModelSettings(strict=True)


def tools(count: int) -> list[ToolDefinition]:
    return [ToolDefinition(name=f"look_{number}") for number in range(count)]


def tools_sent(fake: ProviderFake) -> list[list[dict[str, Any]]]:
    """The tools of each request for an answer."""
    bodies = [request.body for request in fake.traffic]
    return [body["tools"] for body in bodies if isinstance(body, dict) and "tools" in body]


@pytest.mark.parametrize("model", [CHAT, RESPONSES])
async def test_openai_is_offered_the_first_of_too_many(
    stub: LlmRouterServiceStub, fake: ProviderFake, model: str
) -> None:
    await ask(stub, question(model, "Hello.", tools=tools(129)))

    assert [len(sent) for sent in tools_sent(fake)] == [128]


async def test_claude_is_not_held_to_more_schemas_than_it_can_be(
    stub: LlmRouterServiceStub, fake: ProviderFake
) -> None:
    heard = await ask(stub, question(CLAUDE, "Say 'on'.", tools=tools(21), settings=STRICT))

    assert heard.text == "on"
    assert [sum("strict" in tool for tool in sent) for sent in tools_sent(fake)] == [21, 0]
