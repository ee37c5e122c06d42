"""Calls of built-in tools, as the service makes them."""

from typing import Any

import orjson

from services.tools.base_tools import BASE_TOOLS
from services.tools.builtin.calls import BuiltinCalls
from services.tools.outcome import Outcome
from services.tools.stored_tool import StoredTool


async def call(builtins: BuiltinCalls, name: str, variables: dict[str, str] | None = None, **arguments: Any) -> Outcome:
    """The outcome of a call with these arguments, for an agent with these variables."""
    stored = StoredTool("org", 1, BASE_TOOLS[name].record("user"))
    events = builtins.call(stored, orjson.dumps(arguments).decode(), variables or {})
    return [event async for event in events if isinstance(event, Outcome)][-1]
