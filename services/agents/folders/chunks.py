"""Cutting a text into the pieces in which it is searched."""

from collections.abc import Iterator

CHARS_PER_TOKEN = 4  # a rule of thumb for English: https://platform.openai.com/tokenizer


def cut_text(text: str, tokens: int) -> list[str]:
    """Pieces of about so many tokens at most, none of them blank; ends of lines are kept where they fit."""
    chars = tokens * CHARS_PER_TOKEN
    pieces, piece = [], ""
    for line in _short_lines(text, chars):
        if piece and len(piece) + len(line) > chars:
            pieces.append(piece)
            piece = ""
        piece += line
    return [one.strip() for one in (*pieces, piece) if one.strip()]


def _short_lines(text: str, chars: int) -> Iterator[str]:
    """The lines with their ends; longer ones are cut, between words where that loses less than half a piece."""
    for line in text.splitlines(keepends=True):
        start = 0
        while len(line) - start > chars:
            space = line.rfind(" ", start + chars // 2, start + chars) + 1
            end = space or start + chars
            yield line[start:end]
            start = end
        yield line[start:]
