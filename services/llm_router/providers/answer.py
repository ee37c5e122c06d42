"""An answer under way: its parts as they grow, and what to stream of each."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from perdure.conversation.v1.message_pb2 import Part, Reasoning, ToolCall, Usage
from services.llm_router.completion import Completion, Delta, Finish
from services.llm_router.errors import ContentFiltered, EmptyAnswer
from services.llm_router.prompt import Prompt


@dataclass
class Growing:
    """A part that may still grow. `signature` is what vouches for a thought, as the public API shows it."""

    index: int
    pieces: list[str] = field(default_factory=list)
    call_id: str = ""
    name: str = ""
    redacted: bool = False
    signature: str = ""
    provider_data: bytes = b""

    @property
    def text(self) -> str:
        """What it holds so far."""
        return "".join(self.pieces)


class Answer:
    """Collects the parts of one answer in the order in which the provider begins them."""

    def __init__(self, prompt: Prompt) -> None:
        self._parts: list[tuple[str, Growing]] = []
        self._call_ids = _call_ids(prompt)
        self.usage = Usage()
        self.finish: Finish | None = None
        self.response_id = ""

    @property
    def has_calls(self) -> bool:
        """Whether the model calls a tool."""
        return any(kind == "call" for kind, _ in self._parts)

    def open_text(self) -> Growing:
        """A new text part."""
        return self._open("text")

    def open_reasoning(self) -> Growing:
        """A new part of thoughts."""
        return self._open("reasoning")

    def open_call(self, call_id: str, name: str) -> tuple[Growing, Delta]:
        """A new call. An id that is missing or was used before in the conversation is replaced."""
        call = self._open("call")
        call_id, name = call_id.replace("\0", ""), name.replace("\0", "")  # Postgres has no text with NUL
        call.call_id = call_id if call_id and call_id not in self._call_ids else f"call_{secrets.token_hex(12)}"
        call.name = name
        self._call_ids.add(call.call_id)
        return call, Delta(call.index, "call", "", call.call_id, name)

    def say(self, part: Growing, text: str) -> Delta:
        """More text of a text part."""
        part.pieces.append(text)
        return Delta(part.index, "text", text)

    def think(self, part: Growing, text: str) -> Delta:
        """More of a thought."""
        part.pieces.append(text)
        return Delta(part.index, "reasoning", text)

    def argue(self, part: Growing, arguments: str) -> Delta:
        """More of the arguments of a call."""
        part.pieces.append(arguments)
        return Delta(part.index, "call", arguments, part.call_id)

    def hide(self, part: Growing) -> Delta:
        """Marks a thought as hidden by the provider."""
        part.redacted = True
        return Delta(part.index, "reasoning", "")

    def complete(self) -> Iterator[Delta | Completion]:
        """The end: arguments for calls that came without any, then the completion.

        Raises `EmptyAnswer` or `ContentFiltered` when there is nothing to give; an answer cut at its length may be
        empty, as when all its tokens went into thoughts.
        """
        for kind, part in self._parts:
            if kind == "call" and not part.text.strip():
                yield self.argue(part, "{}")
        finish = self.finish or Finish.STOP
        if self.has_calls and finish is Finish.STOP:
            finish = Finish.TOOL_CALLS
        self._check(finish)
        yield Completion(tuple(_finished(*part) for part in self._parts), finish, self.usage, self.response_id)

    def _open(self, kind: str) -> Growing:
        part = Growing(len(self._parts))
        self._parts.append((kind, part))
        return part

    def _check(self, finish: Finish) -> None:
        said = self.has_calls or any(kind == "text" and part.text.strip() for kind, part in self._parts)
        if said or finish is Finish.LENGTH:
            return
        if finish is Finish.CONTENT_FILTER:
            raise ContentFiltered("The provider's filter let nothing of the answer through.")
        raise EmptyAnswer(f"The model gave an empty answer (id {self.response_id or 'unknown'}).")


def _call_ids(prompt: Prompt) -> set[str]:
    return {part.tool_call.id for message in prompt.messages for part in message.parts if part.HasField("tool_call")}


def _finished(kind: str, part: Growing) -> Part:
    data = part.provider_data
    if kind == "text":
        return Part(text=part.text, provider_data=data)
    if kind == "reasoning":
        thought = Reasoning(text=part.text, redacted=part.redacted, signature=part.signature)
        return Part(reasoning=thought, provider_data=data)
    return Part(tool_call=ToolCall(id=part.call_id, name=part.name, arguments=part.text), provider_data=data)


def total_usage(
    prompt_tokens: int,
    completion_tokens: int,
    *,
    total_tokens: int = 0,
    cached: int | None = None,
    cache_written: int | None = None,
    reasoning: int | None = None,
) -> Usage:
    """Usage as the provider counts it; what it does not say stays unset."""
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=total_tokens or prompt_tokens + completion_tokens,
        cached_input_tokens=cached,
        cache_write_tokens=cache_written,
        reasoning_tokens=reasoning,
    )
