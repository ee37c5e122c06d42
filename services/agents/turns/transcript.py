"""A conversation as plain text, for a model that is to summarise it."""

from collections.abc import Iterator, Sequence

from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SUMMARY,
    ROLE_SYSTEM,
    ROLE_USER,
    Message,
    Part,
    Role,
)
from services.agents.messages.clipping import clip_text

_SPEAKERS = {
    ROLE_USER: "User",
    ROLE_ASSISTANT: "Assistant",
    ROLE_SYSTEM: "System",
    ROLE_SUMMARY: "Summary of what came before",
}


def write_transcript(messages: Sequence[Message]) -> str:
    """Messages in the order in which they were said, one paragraph for each thing that was said or done."""
    return "\n\n".join(line for message in messages for part in message.parts for line in _tell(message.role, part))


def _tell(role: Role.ValueType, part: Part) -> Iterator[str]:
    match part.WhichOneof("kind"):
        case "text":
            yield f"{_SPEAKERS.get(role, 'Note')}: {part.text}"
        case "image":
            yield f"{_SPEAKERS.get(role, 'Note')} shows an image."
        case "tool_call":
            yield f"Assistant calls {part.tool_call.name} with {part.tool_call.arguments}"
        case "tool_return":
            yield f"{part.tool_return.name} returns: {part.tool_return.value}"


def split_transcript(text: str, chars: int, most: int) -> list[str]:
    """The text in pieces of about `chars` characters at most; where it would need more than `most`, its middle goes."""
    text = clip_text(text, chars * most)
    pieces = []
    while len(text) > chars:
        paragraph = text.rfind("\n\n", chars // 2, chars)
        end = paragraph if paragraph > 0 else chars
        pieces.append(text[:end])
        text = text[end:].lstrip("\n")
    return [*pieces, text]
