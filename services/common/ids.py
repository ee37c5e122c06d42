"""Ids of the public API: `<prefix>-<uuid4>`."""

import re
import uuid

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_UUID4 = re.compile(_UUID)


def new_id(prefix: str) -> str:
    """A fresh id: `new_id("agent")` is "agent-<uuid4>"."""
    return f"{prefix}-{uuid.uuid4()}"


def is_id(text: str, *prefixes: str) -> bool:
    """Whether `text` is an id with one of the prefixes."""
    return any(text.startswith(f"{prefix}-") and _UUID4.fullmatch(text, len(prefix) + 1) for prefix in prefixes)
