"""Messages with half a character in a text: JavaScript cuts texts so, JSON allows it, and pydantic does not."""

import json

from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from pydantic import ValidationError


def mend(refused: ValidationError) -> SessionMessage | None:
    """The message that was refused, with question marks for the halves; None if that was not why."""
    problem = refused.errors(include_url=False)[0]
    if problem["type"] != "json_invalid":
        return None
    try:
        whole = json.dumps(json.loads(problem["input"]), ensure_ascii=False).encode(errors="replace")
        return SessionMessage(jsonrpc_message_adapter.validate_json(whole, by_name=False))
    except (ValueError, RecursionError):
        return None
