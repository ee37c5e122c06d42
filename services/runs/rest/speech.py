"""What a call of the speaking tool says, read out of its arguments while they arrive."""

import re

from services.runs.json_text import take_text


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
        text, self._rest = take_text(self._rest)
        self._has_ended = self._rest.startswith('"')
        return text
