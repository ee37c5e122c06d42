"""Reading the messages of a chat completion, as strictly as the vendor."""

from collections.abc import Collection, Iterator
from typing import Literal

from tests.fakes.provider.prompt import Body, ToolCall, ToolReturn, Turn
from tests.fakes.provider.refusal import Refusal

_MAX_CALL_ID = 40  # characters; longer ones are refused
_SPOKEN_ROLES: dict[str, Literal["user", "assistant"]] = {"user": "user", "assistant": "assistant"}


def read_system(messages: list[Body]) -> str:
    """The text of all system and developer messages."""
    texts = (text for message in messages if message["role"] in ("system", "developer") for text in _texts(message))
    return "\n".join(texts)


def read_turns(messages: list[Body], roles: Collection[str]) -> tuple[Turn, ...]:
    """The conversation in the messages.

    Raises:
        Refusal: an unknown role, empty content, or calls and returns that do not pair.
    """
    if not messages:
        raise _invalid("Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages")
    for index, message in enumerate(messages):
        _check_message(message, index, roles)
    _check_pairs(messages)
    return tuple(_read_turn(message) for message in messages if message["role"] not in ("system", "developer"))


def _check_message(message: Body, index: int, roles: Collection[str]) -> None:
    role = message.get("role")
    if role not in roles:
        supported = ", ".join(f"'{name}'" for name in roles)
        raise _invalid(
            f"Invalid value: '{role}'. Supported values are: {supported}.", f"messages[{index}].role", "invalid_value"
        )
    calls = message.get("tool_calls")
    if calls is not None:
        _check_calls(calls, index)
    if message.get("content") is None and not calls:
        raise _invalid("Invalid value for 'content': expected a string, got null.", f"messages.[{index}].content")
    if role != "tool" and not calls and not "".join(_texts(message)) and not _has_other_parts(message):
        raise _invalid(f"Invalid 'messages[{index}].content': empty content.", f"messages[{index}].content")


def _check_calls(calls: list[Body], index: int) -> None:
    place = f"messages[{index}].tool_calls"
    if not calls:
        raise _invalid(
            f"Invalid '{place}': empty array. Expected an array with minimum length 1.", place, "empty_array"
        )
    for number, call in enumerate(calls):
        function = call.get("function") or {}
        if not isinstance(function.get("arguments"), str) or not function.get("name"):
            raise _invalid(f"Missing required parameter: '{place}[{number}].function'.", f"{place}[{number}].function")
        if len(call.get("id") or "") > _MAX_CALL_ID:
            raise _invalid(
                f"Invalid '{place}[{number}].id': string too long. Expected a string with maximum length "
                f"{_MAX_CALL_ID}, but got a string with length {len(call['id'])} instead.",
                f"{place}[{number}].id",
                "string_above_max_length",
            )


def _check_pairs(messages: list[Body]) -> None:
    open_ids: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_ids:
                raise _invalid(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    f"messages.[{index}].role",
                )
            open_ids.remove(message["tool_call_id"])
            continue
        _check_answered(open_ids, index)
        open_ids = [call.get("id") or "" for call in message.get("tool_calls") or ()]
    _check_answered(open_ids, len(messages))


def _check_answered(open_ids: list[str], index: int) -> None:
    if open_ids:
        raise _invalid(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_ids)}",
            f"messages.[{index}].role",
        )


def _read_turn(message: Body) -> Turn:
    if message["role"] == "tool":
        return Turn("user", returns=(ToolReturn(message["tool_call_id"], "".join(_texts(message))),))
    calls = tuple(ToolCall(call["function"]["name"], call["id"]) for call in message.get("tool_calls") or ())
    return Turn(_SPOKEN_ROLES[message["role"]], texts=tuple(_texts(message)), calls=calls)


def _texts(message: Body) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str) and content:
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if part.get("type") == "text")


def _has_other_parts(message: Body) -> bool:
    content = message.get("content")
    return isinstance(content, list) and any(part.get("type") != "text" for part in content)


def _invalid(message: str, param: str, code: str | None = None) -> Refusal:
    return Refusal(400, message, kind="invalid_request_error", param=param, code=code)
