"""Conversations in the forms that single endpoints of chat completions insist on."""

from collections.abc import Sequence
from typing import Any

import pytest

from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_TOOL,
    Message,
    Part,
    Reasoning,
    ToolCall,
    ToolReturn,
)
from perdure.conversation.v1.model_pb2 import ModelSettings
from services.llm_router.model import Model
from services.llm_router.prompt import Prompt, tidy_messages
from services.llm_router.providers.openai_chat import build_body
from services.llm_router.vendors import VENDORS
from tests.llm_router.asking import PIXEL, SYSTEM, say

HEARD = {"role": "assistant", "content": "I have the results."}


def called(*ids: str, model: str = "openai/gpt-5", thought: str = "") -> list[Message]:
    """A message with calls, and one with their returns."""
    thoughts = [Part(reasoning=Reasoning(text=thought))] if thought else []
    calls = [Part(tool_call=ToolCall(id=one, name="look", arguments="{}")) for one in ids]
    returns = [Part(tool_return=ToolReturn(call_id=one, name="look", value="x")) for one in ids]
    return [
        Message(role=ROLE_ASSISTANT, model=model, parts=[*thoughts, *calls]),
        Message(role=ROLE_TOOL, parts=returns),
    ]


def ask(vendor: str, name: str, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages that are sent."""
    model = Model(f"{vendor}/{name}", name, vendor, "openai", "http://h", 8_192, 1_024, vision=True)
    prompt = Prompt(model, tidy_messages([SYSTEM, *messages]), (), ModelSettings())
    sent: list[dict[str, Any]] = build_body(prompt, VENDORS[vendor].dialect)["messages"]
    return sent


def ids_of(sent: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The ids of the calls, and those of the returns."""
    calls = [call["id"] for message in sent for call in message.get("tool_calls", ())]
    return [calls, [message["tool_call_id"] for message in sent if message["role"] == "tool"]]


def test_mistral_gets_ids_of_nine_letters_and_digits() -> None:
    given = ["call_0123456789abcdef0123", "toolu_01ABC", "call_1", "call_2", "Ab3dEf9hJ"]

    calls, returns = ids_of(ask("mistral", "mistral-large-latest", [say("go"), *called(*given)]))

    assert calls == returns
    assert all(len(one) == 9 and one.isalnum() and one.isascii() for one in calls)
    assert len(set(calls)) == len(given)
    assert calls[-1] == given[-1]


def test_an_id_for_mistral_is_the_same_in_every_request() -> None:
    first = ids_of(ask("mistral", "devstral-medium", [say("go"), *called("call_1")]))
    second = ids_of(ask("mistral", "devstral-medium", [say("go"), *called("call_1"), say("on"), *called("call_2")]))

    assert second[0][0] == first[0][0]


@pytest.mark.parametrize("vendor", ["openrouter", "groq", "deepseek"])
def test_ids_that_others_take_stay_as_they_are(vendor: str) -> None:
    assert ids_of(ask(vendor, "m", [say("go"), *called("call_1")])) == [["call_1"], ["call_1"]]


@pytest.mark.parametrize(
    ("vendor", "name"), [("mistral", "mistral-medium-3"), ("vllm", "mistralai/Devstral-Small-2-24B-Instruct-2512")]
)
def test_mistral_speaks_between_results_and_the_user(vendor: str, name: str) -> None:
    sent = ask(vendor, name, [say("go"), *called("a"), say("stop"), *called("b"), say("Hurry.", ROLE_SYSTEM)])

    roles = [message["role"] for message in sent]
    assert roles == ["system", "user", *["assistant", "tool", "assistant", "user"] * 2]
    assert sent[4] == sent[8] == HEARD
    assert sent[9]["content"] == "<system>Hurry.</system>"


def test_images_of_results_reach_mistral_behind_its_own_words() -> None:
    call, results = called("a")
    results.parts[0].tool_return.images.append(PIXEL)

    sent = ask("mistral", "pixtral-large-latest", [say("go"), call, results])

    assert [message["role"] for message in sent[2:]] == ["assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize("messages", [[], [say("Hello.", ROLE_ASSISTANT)]])
def test_mistral_never_speaks_last(messages: list[Message]) -> None:
    assert ask("mistral", "mistral-small-latest", messages)[-1] == {"role": "user", "content": "Continue."}


@pytest.mark.parametrize(("vendor", "name"), [("deepseek", "deepseek-reasoner"), ("moonshot", "kimi-k2.6")])
def test_calls_of_others_have_thoughts_where_they_are_missed(vendor: str, name: str) -> None:
    foreign = called("a", thought="hm")
    own = called("b", model=f"{vendor}/{name}", thought="so")

    sent = ask(vendor, name, [say("go"), *foreign, say("Hello.", ROLE_ASSISTANT), *own])

    thoughts = [message.get("reasoning_content") for message in sent if message["role"] == "assistant"]
    assert thoughts == [" ", None, "so"]


@pytest.mark.parametrize("messages", [[], [say("Hello.", ROLE_ASSISTANT)], [say("Be quick.", ROLE_SYSTEM)]])
def test_a_conversation_without_a_user_is_gone_on_with(messages: list[Message]) -> None:
    assert ask("zai", "glm-4.6", messages)[-1] == {"role": "user", "content": "Continue."}


def test_results_without_a_user_have_one_before_them() -> None:
    sent = ask("zai", "glm-4.6", called("a"))

    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool"]
