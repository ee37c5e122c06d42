"""What is read straight from the socket says the same as the SDKs' typed events."""

from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from perdure.conversation.v1.message_pb2 import Usage
from perdure.llm_router.v1.llm_router_service_pb2 import Completion
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from tests.fakes.provider import ProviderFake
from tests.llm_router.asking import CHAT, GEMINI, RESPONSES, ROLL_DICE, THINKING, ask, question

HAIKU = "anthropic/claude-haiku-4-5-20251001"  # the SDK warns of older models
ASKED = 'call tool roll_dice with {"num_sides": 16} and call tool roll_dice with {"num_sides": 6}'
Heard = tuple[str, str, list[tuple[str, str]], int, int]  # thoughts, text, calls (name, arguments), tokens in and out


def summarise(completion: Completion) -> Heard:
    parts = completion.parts
    calls = [(part.tool_call.name, part.tool_call.arguments) for part in parts if part.HasField("tool_call")]
    usage: Usage = completion.usage
    return (
        "".join(part.reasoning.text for part in parts),
        "".join(part.text for part in parts),
        [(name, arguments.replace(" ", "")) for name, arguments in calls],
        usage.prompt_tokens,
        usage.completion_tokens,
    )


async def typed_chat(fake: ProviderFake, body: Any) -> Heard:
    text, calls, usage = "", dict[int, list[str]](), None
    async with openai.AsyncOpenAI(api_key="key", base_url=fake.base_url("openai")) as sdk:
        async for chunk in await sdk.chat.completions.create(**body):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    name, arguments = calls.setdefault(call.index, ["", ""])
                    calls[call.index] = [
                        name + (call.function.name or ""),
                        arguments + (call.function.arguments or ""),
                    ]
    said = [(name, arguments.replace(" ", "")) for name, arguments in calls.values()]
    assert usage
    return "", text, said, usage.prompt_tokens, usage.completion_tokens


async def typed_responses(fake: ProviderFake, body: Any) -> Heard:
    async with openai.AsyncOpenAI(api_key="key", base_url=fake.base_url("openai")) as sdk:
        async for event in await sdk.responses.create(**body):
            if event.type == "response.completed":
                response = event.response
    thoughts = "".join(part.text for item in response.output if item.type == "reasoning" for part in item.summary)
    calls = [(item.name, item.arguments.replace(" ", "")) for item in response.output if item.type == "function_call"]
    return thoughts, response.output_text, calls, response.usage.input_tokens, response.usage.output_tokens


async def typed_claude(fake: ProviderFake, body: Any) -> Heard:
    body.pop("stream")
    sdk = anthropic.AsyncAnthropic(api_key="key", base_url=fake.base_url("anthropic"))
    async with sdk, sdk.messages.stream(**body) as stream:
        message = await stream.get_final_message()
    thoughts = "".join(block.thinking for block in message.content if block.type == "thinking")
    text = "".join(block.text for block in message.content if block.type == "text")
    calls = [(block.name, str(block.input)) for block in message.content if block.type == "tool_use"]
    said = [(name, arguments.replace("'", '"').replace(" ", "")) for name, arguments in calls]
    usage = message.usage
    prompt = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return thoughts, text, said, prompt, usage.output_tokens


async def typed_gemini(fake: ProviderFake, body: Any) -> Heard:
    thoughts, text, calls, usage = "", "", list[tuple[str, str]](), None
    async with httpx2.AsyncClient() as http:
        options = types.HttpOptions(base_url=fake.base_url("gemini"), httpx_async_client=http)
        sdk = genai.Client(api_key="key", http_options=options).aio
        config = types.GenerateContentConfig(
            system_instruction=body["systemInstruction"],
            tools=body["tools"],
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            **body["generationConfig"],
        )
        asked = await sdk.models.generate_content_stream(
            model="gemini-2.5-pro", contents=body["contents"], config=config
        )
        async for slice_ in asked:
            usage = slice_.usage_metadata or usage
            for part in slice_.parts or ():
                if part.function_call:
                    calls.append((part.function_call.name or "", str(part.function_call.args)))
                elif part.thought:
                    thoughts += part.text or ""
                else:
                    text += part.text or ""
    said = [(name, arguments.replace("'", '"').replace(" ", "")) for name, arguments in calls]
    assert usage
    output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return thoughts, text, said, usage.prompt_token_count or 0, output


@pytest.mark.parametrize("asked", [ASKED, "Reply with 12 words"])
@pytest.mark.parametrize(
    ("model", "typed"),
    [(CHAT, typed_chat), (RESPONSES, typed_responses), (HAIKU, typed_claude), (GEMINI, typed_gemini)],
)
async def test_the_raw_stream_and_the_typed_one_agree(
    stub: LlmRouterServiceStub,
    fake: ProviderFake,
    model: str,
    typed: Callable[[ProviderFake, Any], Awaitable[Heard]],
    asked: str,
) -> None:
    heard = await ask(stub, question(model, asked, tools=[ROLL_DICE], settings=THINKING))
    body = list(fake.traffic)[-1].body

    assert summarise(heard.completion) == await typed(fake, body)
