"""The `[[fake: …]]` directive, with which a message asks for slowness or failure.

Keys, all optional; values with spaces are quoted:

- `ttft_ms=100`, `inter_token_ms=50`: wait before the first token and between tokens;
- `hold=NAME`: stop after the first token until `/_release` names it;
- `status=429`: the vendor's own error of that status; `retry_after=2`: its header, in seconds;
- `drop`: close the connection without an answer; `drop=mid_stream`: after half of it;
- `stream_error`: the vendor's error event after half of the stream;
- `garbage`: bytes that are no answer; `empty`: an answer without content;
- `finish=length` or `finish=content_filter`: half an answer, and why;
- `tool_args=TEXT`: the arguments of every call, raw; `reasoning_words=5`: how much reasoning;
- `on_step=2`: all this only in the second model call of the turn;
- `times=2`: all this only in the first two requests that carry this directive.
"""

import re
import shlex
from dataclasses import dataclass, fields, replace
from typing import Any

from tests.fakes.provider.refusal import Refusal

_PATTERN = re.compile(r"\[\[fake:(.*?)\]\]", re.DOTALL)
_NUMBERS = {"ttft_ms": float, "inter_token_ms": float, "retry_after": float}
_INTEGERS = {"status": int, "reasoning_words": int, "on_step": int, "times": int}


@dataclass(frozen=True)
class Directive:
    """How one request is to be answered; None means as usual."""

    ttft_ms: float | None = None
    inter_token_ms: float | None = None
    hold: str | None = None
    status: int | None = None
    retry_after: float | None = None
    drop: str | None = None
    stream_error: str | None = None
    garbage: str | None = None
    empty: str | None = None
    finish: str | None = None
    tool_args: str | None = None
    reasoning_words: int | None = None
    on_step: int | None = None
    times: int | None = None

    def over(self, other: "Directive") -> "Directive":
        """This directive, completed by the other."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(other, **{name: value for name, value in own.items() if value is not None})


def find_directives(text: str) -> list[tuple[str, Directive]]:
    """The directives in a message, each with its source text."""
    return [(match.group(0), parse_directive(match.group(1))) for match in _PATTERN.finditer(text)]


def strip_directives(text: str) -> str:
    """The message without its directives."""
    return _PATTERN.sub("", text).strip()


def parse_directive(text: str) -> Directive:
    """Reads `key=value …`; a key alone has its own name as value.

    Raises:
        Refusal: an unknown key or a value of the wrong type.
    """
    pairs = (part.partition("=") for part in shlex.split(text))
    try:
        return Directive(**{key: _convert(key, value) for key, _, value in pairs})
    except (TypeError, ValueError) as exc:
        raise Refusal(400, f"Unreadable directive {text.strip()!r}: {exc}") from exc


def _convert(key: str, value: str) -> Any:  # Any: the type depends on the key
    converter: type = _NUMBERS.get(key) or _INTEGERS.get(key) or str
    return converter(value or key)
