"""What a request asks for, in words that fit every vendor."""

from dataclasses import dataclass
from typing import Any, Literal

Body = dict[str, Any]  # decoded JSON of a vendor; the readers check its shape


@dataclass(frozen=True)
class ToolCall:
    """A call made by the model earlier in the conversation; `id` is empty where the vendor has none."""

    name: str
    id: str = ""


@dataclass(frozen=True)
class ToolReturn:
    """What a tool gave back; `call` is the id of its call, or the tool's name where calls have no id."""

    call: str
    text: str


@dataclass(frozen=True)
class Turn:
    """One message of the conversation, its text in the blocks it came in."""

    role: Literal["user", "assistant"]
    texts: tuple[str, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    returns: tuple[ToolReturn, ...] = ()


@dataclass(frozen=True)
class Tool:
    """A tool the model may call; `parameters` is a JSON schema, type names in either case."""

    name: str
    parameters: Body


@dataclass(frozen=True)
class ToolChoice:
    """Whether the model may, must or must not call a tool; `name` when it must be that one."""

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None


@dataclass(frozen=True)
class JsonFormat:
    """The answer must be JSON; of this schema if there is one."""

    schema: Body | None = None


@dataclass(frozen=True)
class Prompt:
    """A request for a completion, `segments` being its whole input as text in the order the model reads it."""

    model: str
    turns: tuple[Turn, ...]
    segments: tuple[str, ...]
    system: str = ""
    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = ToolChoice()
    parallel: bool = True
    json_format: JsonFormat | None = None
    reasons: bool = False
    max_output_tokens: int | None = None

    @property
    def user_text(self) -> str:
        """The last block of the last user message."""
        said = [turn.texts[-1] for turn in self.turns if turn.role == "user" and turn.texts]
        return said[-1] if said else ""

    @property
    def since_user(self) -> tuple[Turn, ...]:
        """What came after the last user message."""
        last = max((i for i, turn in enumerate(self.turns) if turn.role == "user" and turn.texts), default=-1)
        return self.turns[last + 1 :]

    @property
    def step(self) -> int:
        """How many times the model has called tools since the last user message."""
        return sum(1 for turn in self.since_user if turn.calls)
