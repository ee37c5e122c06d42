"""Names of MCP tools as every provider takes them."""

import hashlib
import re

MAX_NAME = 64  # characters
_MARK = 8  # hexadecimal digits that tell apart longer names that begin alike
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def tool_name(name: str) -> str:
    """A tool's name with only the characters that every provider takes, and no more of them."""
    fit = _UNSAFE.sub("_", name) or "tool"
    if len(fit) <= MAX_NAME:
        return fit
    mark = hashlib.sha256(name.encode()).hexdigest()[:_MARK]
    return f"{fit[: MAX_NAME - _MARK - 1]}_{mark}"
