"""The inside of a JSON string that comes in fragments."""

import json
import re

# A character of a JSON string that is whole: plain, escaped, or a pair of escapes that make one character.
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_WHOLE = re.compile(rf'(?:[^"\\]|\\[^u]|{_HIGH}{_LOW}|(?!{_HIGH})\\u[0-9a-fA-F]{{4}})*')


def take_text(raw: str) -> tuple[str, str]:
    """The text that the characters at the beginning stand for, up to the closing quote or a character that is not whole
    yet; and what is left. What is no JSON stands for itself.
    """
    found = _WHOLE.match(raw)
    end = found.end() if found else 0
    try:
        text = json.loads(f'"{raw[:end]}"', strict=False)  # models write line ends as they are
    except ValueError:
        text = raw[:end]
    return str(text).encode("utf-8", "replace").decode(), raw[end:]
