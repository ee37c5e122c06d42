"""Bodies: what is accepted, and what a caller is told of the rest."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from services.contract.agents import CreateAgent, UpdateAgent
from services.contract.model_settings import AnthropicSettings, PlainSettings
from services.contract.new_messages import NewApproval, NewMessage, NewToolReturn
from services.contract.sending import AsyncSendRequest, ConversationSendRequest, SendRequest, StreamRequest
from services.contract.tools import CreateTool

HELLO = {"role": "user", "content": "Hello"}


def problems(model: type[BaseModel], body: dict[str, Any]) -> list[tuple[str, str]]:
    """Where the body is wrong, and how."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return [(".".join(map(str, error["loc"])), error["msg"]) for error in caught.value.errors()]


@pytest.mark.parametrize("name", ["bad name!", "", "a" * 65, "a\n"])
def test_names_of_client_tools_are_those_that_providers_take(name: str) -> None:
    [(place, words)] = problems(SendRequest, {"messages": [HELLO], "client_tools": [{"name": name}]})

    assert place == "client_tools.0.name"
    assert "1 to 64 of the characters" in words


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        ({}, "", "Either 'messages' or 'input' is required"),
        ({"messages": []}, "", "'messages' must not be empty"),
        ({"messages": [HELLO], "input": "Hello"}, "", "Use either 'messages' or 'input', not both"),
        (
            {"messages": [{"role": "wizard", "content": "x"}]},
            "messages.0.message.role",
            "Input should be 'user', 'system' or 'assistant'",
        ),
        ({"messages": [{"role": "user"}]}, "messages.0.message.content", "Field required"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            "messages.0.message.content",
            "Input should be a string or a list of parts",
        ),
        (
            {"messages": [{"type": "letter"}]},
            "messages.0",
            "The type of a message should be 'message', 'approval' or 'tool_return'",
        ),
        ({"messages": [{"type": "approval"}]}, "messages.0.approval", "Either 'approvals' or 'approve' is required"),
        ({"messages": [{"type": "tool_return"}]}, "messages.0.tool_return.tool_returns", "Field required"),
        ({"messages": [HELLO], "max_steps": 0}, "max_steps", "Input should be greater than or equal to 1"),
        ({"messages": [HELLO], "background": True}, "", "'background' needs 'streaming: true'"),
        ({"messages": [HELLO], "stream_tokens": True}, "", "'stream_tokens' needs 'streaming: true'"),
    ],
)
def test_a_bad_send_is_refused_in_words(body: dict[str, Any], place: str, words: str) -> None:
    assert problems(SendRequest, body) == [(place, words)]


def test_input_is_a_message_of_the_user() -> None:
    request = SendRequest.model_validate({"input": [{"type": "text", "text": "Hello"}]})

    [message] = request.new_messages

    assert isinstance(message, NewMessage)
    assert message.role == "user"
    assert message.content == request.input


def test_each_kind_of_message_is_told_by_its_type() -> None:
    answer = {"type": "tool", "tool_call_id": "call_1", "tool_return": "noon", "status": "success"}
    request = SendRequest.model_validate(
        {
            "messages": [
                HELLO,
                {**HELLO, "type": None},
                {"type": "approval", "approvals": [{"tool_call_id": "call_2", "approve": False}, answer]},
                {"type": "tool_return", "tool_returns": [answer]},
            ]
        }
    )

    assert [type(message) for message in request.new_messages] == [NewMessage, NewMessage, NewApproval, NewToolReturn]


def test_the_older_form_of_an_approval_is_accepted() -> None:
    request = SendRequest.model_validate(
        {"messages": [{"type": "approval", "approve": True, "approval_request_id": "message-1"}]}
    )

    [approval] = request.new_messages

    assert isinstance(approval, NewApproval)
    assert approval.approve


def test_streaming_is_off_for_agents_and_on_for_conversations() -> None:
    body = {"messages": [HELLO]}

    assert not SendRequest.model_validate(body).streaming
    assert ConversationSendRequest.model_validate(body).streaming


def test_the_streaming_route_needs_no_switch() -> None:
    assert StreamRequest.model_validate({"messages": [HELLO], "background": True}).background


def test_unknown_fields_are_ignored() -> None:
    AsyncSendRequest.model_validate({"messages": [HELLO], "no_such_field": 1})


def test_a_patch_knows_which_fields_were_sent() -> None:
    patch = UpdateAgent.model_validate({"description": None, "tags": ["a"]})

    assert patch.model_fields_set == {"description", "tags"}


@pytest.mark.parametrize(
    ("body", "place", "words"),
    [
        ({"tool_ids": ["tool-1"]}, "tool_ids.0", "Input should be an id of the form tool-<uuid4>"),
        ({"tags": "x"}, "tags", "Input should be a valid list"),
        (
            {"name": "a/b"},
            "name",
            "Names of agents consist of letters, digits, spaces, hyphens, underscores and apostrophes",
        ),
        ({"memory_blocks": [{"value": "x"}]}, "memory_blocks.0.label", "Field required"),
    ],
)
def test_a_bad_agent_is_refused_in_words(body: dict[str, Any], place: str, words: str) -> None:
    assert problems(CreateAgent, body) == [(place, words)]


def test_settings_are_read_by_their_provider() -> None:
    anthropic = CreateAgent.model_validate({"model_settings": {"provider_type": "anthropic"}})
    ollama = CreateAgent.model_validate({"model_settings": {"provider_type": "ollama", "temperature": 0.1}})

    assert isinstance(anthropic.model_settings, AnthropicSettings)
    assert isinstance(ollama.model_settings, PlainSettings)


def test_a_tool_needs_its_source() -> None:
    assert problems(CreateTool, {}) == [("source_code", "Field required")]
