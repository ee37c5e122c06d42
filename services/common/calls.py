"""The tool calls in messages, and what they returned."""

from perdure.conversation.v1.message_pb2 import Message, ToolCall, ToolReturn


def tool_calls(message: Message) -> list[ToolCall]:
    """The calls of a message, in order."""
    return [part.tool_call for part in message.parts if part.WhichOneof("kind") == "tool_call"]


def tool_returns(message: Message) -> list[ToolReturn]:
    """The returns of a message, in order."""
    return [part.tool_return for part in message.parts if part.WhichOneof("kind") == "tool_return"]
