"""What a call of the speaking tool says, read out of its arguments while they arrive."""

import re

import orjson

# A character of a JSON string that is whole: plain, escaped, or a pair of escapes that make one character.
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_WHOLE = re.compile(rf'(?:[^"\\]|\\[^u]|{_HIGH}{_LOW}|(?!{_HIGH})\\u[0-9a-fA-F]{{4}})*')


class Speech:
    """The text in one argument of a call, whose JSON comes in fragments."""

    def __init__(self, argument: str) -> None:
        self._beginning = re.compile(rf'"{re.escape(argument)}"\s*:\s*"')
        self._is_speaking = False
        self._has_ended = False
        self._rest = ""

    def hear(self, fragment: str) -> str:
        """The text that a further fragment adds."""
        self._rest += fragment
        if not self._is_speaking:
            begun = self._beginning.search(self._rest)
            if begun is None:
                return ""
            self._is_speaking = True
            self._rest = self._rest[begun.end() :]
        return "" if self._has_ended else self._take()

    def _take(self) -> str:
        whole = _WHOLE.match(self._rest)
        end = whole.end() if whole else 0
        raw, self._rest = self._rest[:end], self._rest[end:]
        self._has_ended = self._rest.startswith('"')
        return str(orjson.loads(f'"{raw}"'))
