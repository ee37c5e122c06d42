"""Shortening long tool returns for the context window. What is stored stays whole."""

from perdure.conversation.v1.message_pb2 import Message

LEFT_OUT = "\n… [{count} characters were left out to save room] …\n"


def clip_returns(message: Message, chars: int) -> Message:
    """The message with at most so many characters of each tool return: its beginning and its end."""
    if all(len(part.tool_return.value) <= chars for part in message.parts):
        return message
    clipped = Message()
    clipped.CopyFrom(message)
    for part in clipped.parts:
        if len(part.tool_return.value) > chars:
            part.tool_return.value = clip_text(part.tool_return.value, chars)
    return clipped


def clip_text(text: str, chars: int) -> str:
    """A text with its middle left out: `chars` characters and a note stay."""
    if len(text) <= chars:
        return text
    head = chars * 2 // 3
    tail = chars - head
    return text[:head] + LEFT_OUT.format(count=len(text) - chars) + (text[-tail:] if tail else "")
