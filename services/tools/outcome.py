"""How a call of a tool ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.tools.image import Image


@dataclass(frozen=True)
class Outcome:
    """The value as the model reads it, and what was printed: one text per stream, or none.

    `json` is the value as JSON, for callers that take it as it is; empty where it has no such form. `memory`: what the
    tool wrote to blocks of its agent, by label.
    """

    value: str
    is_error: bool = False
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    images: Sequence[Image] = ()
    json: str = ""
    memory: Mapping[str, str] = field(default_factory=dict)
    ended_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def failure(name: str, error: str) -> str:
    """What a model is told of a call that failed."""
    return f"Error executing function {name}: {error}"


def cut(value: str, length: int) -> str:
    """The beginning of a value of this length, with a note where it is not all of it."""
    if length <= len(value):
        return value
    return f"{value}… [function output was truncated: these are the first {len(value)} of {length} characters]"
