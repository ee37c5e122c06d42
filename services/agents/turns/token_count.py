"""Estimates of how many tokens messages take. Providers count exactly, but only what they were sent."""

from collections.abc import Sequence

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, Message
from perdure.conversation.v1.model_pb2 import ToolDefinition

TOKENS_PER_CHAR = 1 / 3  # cautious: English has about 1/4, https://platform.openai.com/tokenizer
MAX_TOKENS_PER_CHAR = 2.0  # scripts whose characters take more than one token each
IMAGE_CHARS = 4_500  # an image takes some 1,500 tokens at most providers
MESSAGE_CHARS = 12  # what frames a message


def message_chars(message: Message) -> int:
    """The characters that a provider is sent for a message."""
    chars = MESSAGE_CHARS
    for part in message.parts:
        call, returned = part.tool_call, part.tool_return
        chars += len(part.text) + len(part.reasoning.text) + len(call.name) + len(call.arguments) + len(returned.value)
        chars += IMAGE_CHARS * (part.HasField("image") + len(returned.images))
    return chars


def tool_chars(tools: Sequence[ToolDefinition]) -> int:
    """The characters that a provider is sent for the agent's tools."""
    return sum(len(tool.name) + len(tool.description) + len(tool.parameters) for tool in tools)


def tokens_per_char(window: Sequence[Message], other_chars: int, context_tokens: int | None) -> float:
    """The rate at which characters are to be counted.

    `context_tokens` is what the provider counted for the window up to its last answer, with `other_chars` beside it.
    """
    answered = [index for index, message in enumerate(window) if message.role == ROLE_ASSISTANT]
    if context_tokens is None or not answered:
        return TOKENS_PER_CHAR
    counted = other_chars + sum(message_chars(message) for message in window[: answered[-1] + 1])
    return min(max(context_tokens / counted, TOKENS_PER_CHAR), MAX_TOKENS_PER_CHAR)
