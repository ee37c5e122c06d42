"""Names and ids of calls as Gemini takes them."""

from typing import Any

import orjson

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_TOOL, Message, Part, ToolCall, ToolReturn
from perdure.conversation.v1.model_pb2 import ToolDefinition
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from tests.fakes.provider import ProviderFake
from tests.llm_router.asking import CHAT, GEMINI, ask, question, returned, spoken

RENDER = ToolDefinition(name="3d-render", description="Renders.", parameters='{"type": "object"}')


def parts_sent(fake: ProviderFake, kind: str) -> list[dict[str, Any]]:
    """What was sent last of a kind of part."""
    body = list(fake.traffic)[-1].body
    assert isinstance(body, dict)
    return [part[kind] for content in body["contents"] for part in content["parts"] if kind in part]


async def test_a_tool_whose_name_begins_with_a_digit_is_called_by_its_own_name(
    stub: LlmRouterServiceStub, fake: ProviderFake
) -> None:
    asked = "call tool _3d-render with {}"
    called = (await ask(stub, question(GEMINI, asked, tools=[RENDER], tool_choice=RENDER.name))).completion

    heard = await ask(stub, question(GEMINI, asked, spoken(called, GEMINI), returned(called), tools=[RENDER]))

    assert called.parts[0].tool_call.name == RENDER.name
    assert [call["name"] for call in parts_sent(fake, "functionCall")] == ["_3d-render"]
    assert heard.text


async def test_a_return_has_the_id_that_gemini_gave_its_call(stub: LlmRouterServiceStub, fake: ProviderFake) -> None:
    data = orjson.dumps({"id": "fc 1/x", "thoughtSignature": "skip_thought_signature_validator"})
    own = Part(tool_call=ToolCall(id="fc 1/x", name="look"), provider_data=data)
    foreign = Part(tool_call=ToolCall(id="call_1", name="look"), provider_data=data)
    history = [
        Message(role=ROLE_ASSISTANT, model=GEMINI, parts=[own]),
        Message(role=ROLE_TOOL, parts=[Part(tool_return=ToolReturn(call_id="fc 1/x", value="a"))]),
        Message(role=ROLE_ASSISTANT, model=CHAT, parts=[foreign]),
        Message(role=ROLE_TOOL, parts=[Part(tool_return=ToolReturn(call_id="call_1", value="b"))]),
    ]

    await ask(stub, question(GEMINI, "Look.", *history))

    assert [result.get("id") for result in parts_sent(fake, "functionResponse")] == ["fc 1/x", None]
