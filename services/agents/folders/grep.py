"""Searching the lines of files with a regular expression, as grep does.

The expressions come from models, so RE2 runs them: its time is linear in the text, whatever the expression.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import re2  # type: ignore[import-untyped]  # it has no stubs

from services.agents.folders.views import lines_of
from services.common.errors import DeadlineExceeded, InvalidArgument

PAGE = 20  # matches of one answer
MAX_MATCHES = 1000  # matches that are counted
MAX_LINE_CHARS = 500  # characters of a shown line
_PATTERN_BYTES = 1 << 20  # bytes of memory for one expression; the library keeps the last 128


class BadPattern(InvalidArgument):
    """The expression cannot be read."""


class SearchTooLong(DeadlineExceeded):
    """The files are too many for one search."""

    def __init__(self) -> None:
        super().__init__("The search took too long. Name fewer files with `include`.")


class Pattern(Protocol):
    """A compiled expression."""

    def search(self, text: str) -> object | None:
        """What it finds first, None for nothing."""


@dataclass(frozen=True)
class Match:
    """A line that fits, by its number from 1."""

    path: str
    line: int
    shown: str


def read_pattern(argument: str, text: str) -> Pattern:
    """An expression that ignores case. Raises `BadPattern`, which names the argument that it came in."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _PATTERN_BYTES
    try:
        pattern: Pattern = re2.compile(text, options)
    except re2.error as exc:
        problem = exc.args[0].decode(errors="replace")
        raise BadPattern(
            f"{argument}: {text!r} is not a regular expression that can be used here: {problem}. It has the syntax "
            "of RE2: no lookarounds, no backreferences."
        ) from exc
    return pattern


def find_lines(pattern: Pattern, path: str, text: str, *, context: int, deadline: float) -> Iterator[Match]:
    """The lines of a file that fit. Raises `SearchTooLong` past a deadline of `time.monotonic()`."""
    lines = lines_of(text)
    for index, line in enumerate(lines):
        if time.monotonic() > deadline:
            raise SearchTooLong
        if pattern.search(line):
            yield Match(path, index + 1, _show(lines, index, context))


def _show(lines: Sequence[str], index: int, context: int) -> str:
    around = range(max(index - context, 0), min(index + context + 1, len(lines)))
    return "\n".join(
        f"{'>' if number == index else ' '} {number + 1}: {lines[number][:MAX_LINE_CHARS]}" for number in around
    )


def print_matches(matches: Sequence[Match], offset: int) -> str:
    """A page of the matches, for a model."""
    counts = Counter(match.path for match in matches)
    page = matches[offset : offset + PAGE]
    total = f"Found {len(matches)} total matches across {len(counts)} files"
    if not page:
        return f"{total}." if not matches else f"{total}: none beyond offset {offset}."
    parts = [f"{total}, here are {offset + 1} to {offset + len(page)}:"]
    parts.append("\n".join(f"- {path}: {number}" for path, number in counts.items()))
    parts += [f"{match.path}\n{match.shown}" for match in page]
    if len(matches) >= MAX_MATCHES:
        parts.append(f"The search stopped at {MAX_MATCHES} matches: there may be more.")
    if offset + PAGE < len(matches):
        parts.append(f"For the next matches, call grep_files again with offset={offset + PAGE}.")
    return "\n\n".join(parts)
