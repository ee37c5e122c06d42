"""Conversations as Mistral's models take them: chat completions with rules of their own.

Other servers of these models keep the same rules, as they check requests with the vendor's library:
https://github.com/mistralai/mistral-common/blob/main/src/mistral_common/protocol/instruct/validator.py
"""

import base64
import hashlib
import re
from collections.abc import Iterable

from services.llm_router.providers.spoken import CONTINUE, Json, system_aside

_NAME = re.compile(r"[sx]tral", re.IGNORECASE)  # Mistral, Mixtral, Ministral, Magistral, Devstral, Codestral, Pixtral …
_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_HEARD = "I have the results."  # what the model says between results and a user who did not wait for its answer


def is_mistral(model: str) -> bool:
    """Whether the name of a model is one of Mistral's, on whichever server."""
    return _NAME.search(model) is not None


def fit_messages(messages: Iterable[Json]) -> list[Json]:
    """The messages in an order, and with ids of calls, that are not refused.

    The system speaks first or not at all, the model speaks between results and the user, and it does not speak last.
    """
    fitted: list[Json] = []
    for message in messages:
        fit = _fit(message, may_be_system=not fitted or fitted[-1]["role"] == "system")
        if fit["role"] == "user" and fitted and fitted[-1]["role"] == "tool":
            fitted.append({"role": "assistant", "content": _HEARD})
        fitted.append(fit)
    if not fitted or fitted[-1]["role"] not in ("user", "tool"):
        fitted.append({"role": "user", "content": CONTINUE})
    return fitted


def _fit(message: Json, *, may_be_system: bool) -> Json:
    if message["role"] == "system" and not may_be_system:
        return {"role": "user", "content": system_aside(message["content"])}
    if message["role"] == "tool":
        return {**message, "tool_call_id": _short_id(message["tool_call_id"])}
    if "tool_calls" in message:
        return {**message, "tool_calls": [{**call, "id": _short_id(call["id"])} for call in message["tool_calls"]]}
    return message


def _short_id(call_id: str) -> str:
    """The id if it has the nine letters and digits that are wanted, else nine that stand for it."""
    if _CALL_ID.fullmatch(call_id):
        return call_id
    return base64.b32encode(hashlib.sha256(call_id.encode()).digest())[:9].decode()
