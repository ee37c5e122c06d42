"""Edits of a block's value, as the memory tools make them."""

import re

from services.common.errors import InvalidArgument

_LINE_NUMBER = re.compile(r"^\s*\d+→ ", re.MULTILINE)


class ImpossibleEdit(InvalidArgument):
    """The edit does not fit the text."""

    reason = "IMPOSSIBLE_EDIT"


def append_line(value: str, text: str) -> str:
    """The value with the text as new lines at its end."""
    return f"{value}\n{text}" if value else text


def insert_lines(value: str, text: str, line: int) -> str:
    """The value with the text after a line: 0 is the beginning, -1 the end. Raises `ImpossibleEdit`."""
    _check_plain(text)
    lines = value.split("\n") if value else []
    if not -1 <= line <= len(lines):
        raise ImpossibleEdit(
            f"insert_line is {line}, but the block has {len(lines)} lines: use 0 to {len(lines)}, or -1."
        )
    place = len(lines) if line == -1 else line
    return "\n".join([*lines[:place], text, *lines[place:]])


def replace_once(value: str, old: str, new: str) -> str:
    """The value with the one place of a text replaced. Raises `ImpossibleEdit` where there is none or more than one."""
    _check_plain(old, new)
    count = value.count(old) if old else 0
    if count == 0:
        raise ImpossibleEdit(f"Nothing was replaced: the block does not contain exactly {old!r}.")
    if count > 1:
        raise ImpossibleEdit(
            f"Nothing was replaced: {old!r} stands in the block {count} times. Give more text around it."
        )
    return value.replace(old, new)


def rewrite(text: str) -> str:
    """The text, in place of any value. Raises `ImpossibleEdit`."""
    _check_plain(text)
    return text


def replace_all(value: str, old: str, new: str) -> str:
    """The value with every place of a text replaced. Raises `ImpossibleEdit` where there is none."""
    if not old or old not in value:
        raise ImpossibleEdit(f"Nothing was replaced: the block does not contain exactly {old!r}.")
    return value.replace(old, new)


def _check_plain(*texts: str) -> None:
    """Models sometimes copy the line numbers that their prompt shows; stored, they would look like memory."""
    for text in texts:
        if _LINE_NUMBER.search(text):
            raise ImpossibleEdit("Leave out the line numbers (like '1→ '): they are not part of the block.")
