"""Reading the input items of a response, as strictly as the vendor."""

from collections.abc import Iterator
from typing import Literal

from tests.fakes.provider.prompt import Body, ToolCall, ToolReturn, Turn
from tests.fakes.provider.refusal import Refusal
from tests.fakes.provider.seal import is_seal

_ROLES = ("assistant", "system", "developer", "user")
_PARTS = {"assistant": ("output_text", "refusal"), "": ("input_text", "input_image", "input_file")}
_ID_STARTS = {"message": "msg", "function_call": "fc", "reasoning": "rs", "function_call_output": "fc"}
_SPEAKERS: dict[str, Literal["user", "assistant"]] = {"user": "user", "assistant": "assistant"}


def read_items(body: Body) -> list[Body]:
    """The input as items; a bare text is one user message.

    Raises:
        Refusal: an item the vendor would refuse, or calls and returns that do not pair.
    """
    given = body.get("input")
    items: list[Body] = [{"role": "user", "content": given}] if isinstance(given, str) else list(given or ())
    if not items:
        raise invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    for index, item in enumerate(items):
        _check_item(item, index, stored=body.get("store") is not False)
    _check_pairs(items)
    _check_reasoning_followed(items)
    return items


def read_system(body: Body, items: list[Body]) -> str:
    """Instructions, and the text of system and developer messages."""
    texts = [text for item in items if item.get("role") in ("system", "developer") for text in _texts(item)]
    return "\n".join([body.get("instructions") or "", *texts])


def read_turns(items: list[Body]) -> tuple[Turn, ...]:
    """The conversation in the items, the calls of one response together."""
    turns: list[Turn] = []
    for item in items:
        turn = _read_turn(item)
        if turn is None:
            continue
        if turn.calls and turns and turns[-1].role == "assistant":
            turn = Turn("assistant", turns[-1].texts, turns.pop().calls + turn.calls)
        turns.append(turn)
    return tuple(turns)


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """A refusal of kind `invalid_request_error`."""
    return Refusal(400, message, kind="invalid_request_error", param=param, code=code)


def _read_turn(item: Body) -> Turn | None:
    kind = item.get("type", "message")
    if kind == "function_call":
        return Turn("assistant", calls=(ToolCall(item["name"], item["call_id"]),))
    if kind == "function_call_output":
        return Turn("user", returns=(ToolReturn(item["call_id"], _output_text(item["output"])),))
    if kind == "message" and item["role"] in _SPEAKERS:
        return Turn(_SPEAKERS[item["role"]], tuple(_texts(item)))
    return None


def _check_item(item: Body, index: int, *, stored: bool) -> None:
    kind, place = item.get("type", "message"), f"input[{index}]"
    start = _ID_STARTS.get(kind)
    if start is None:
        supported = ", ".join(f"'{name}'" for name in _ID_STARTS)
        raise invalid(f"Invalid value: '{kind}'. Supported values are: {supported}.", place, "invalid_value")
    if item.get("id") is not None and not item["id"].startswith(start):
        raise invalid(
            f"Invalid '{place}.id': '{item['id']}'. Expected an ID that begins with '{start}'.",
            f"{place}.id",
            "invalid_value",
        )
    if kind == "message":
        _check_message(item, place)
    elif kind == "reasoning":
        _check_reasoning(item, place, stored=stored)
    else:
        _check_call(item, place)


def _check_message(item: Body, place: str) -> None:
    role, content = item.get("role"), item.get("content")
    if role not in _ROLES:
        raise invalid(
            f"Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
            place,
            "invalid_value",
        )
    if not content:
        raise invalid(f"Invalid '{place}.content': empty content.", f"{place}.content")
    allowed = _PARTS.get(role, _PARTS[""])
    for number, part in enumerate(content if isinstance(content, list) else ()):
        if part.get("type") not in allowed:
            supported = " and ".join(f"'{name}'" for name in allowed)
            message = f"Invalid value: '{part.get('type')}'. Supported values are: {supported}."
            raise invalid(message, f"{place}.content[{number}]", "invalid_value")
        if part["type"] == "input_text" and not part.get("text"):
            raise invalid(f"Invalid '{place}.content[{number}].text': empty text.", f"{place}.content[{number}].text")


def _check_reasoning(item: Body, place: str, *, stored: bool) -> None:
    if not isinstance(item.get("summary"), list):
        raise invalid(
            f"Missing required parameter: '{place}.summary'.", f"{place}.summary", "missing_required_parameter"
        )
    content = item.get("encrypted_content")
    if content is None and not stored:
        raise Refusal(
            404,
            f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false. "
            "Try again with `store` set to true, or remove this item from your input.",
            kind="invalid_request_error",
            param="input",
        )
    if content is not None and not is_seal(content):
        raise invalid(
            f"The encrypted content {str(content)[:8]}... could not be verified.", None, "invalid_encrypted_content"
        )


def _check_call(item: Body, place: str) -> None:
    required = ("call_id", "output") if item["type"] == "function_call_output" else ("call_id", "name", "arguments")
    for name in required:
        if item.get(name) is None:
            raise invalid(
                f"Missing required parameter: '{place}.{name}'.", f"{place}.{name}", "missing_required_parameter"
            )


def _check_pairs(items: list[Body]) -> None:
    called = [item["call_id"] for item in items if item.get("type") == "function_call"]
    answered: list[str] = []
    open_ids: set[str] = set()
    for item in items:
        if item.get("type") == "function_call":
            open_ids.add(item["call_id"])
        if item.get("type") == "function_call_output":
            if item["call_id"] not in open_ids:
                raise invalid(f"No tool call found for function call output with call_id {item['call_id']}.", "input")
            open_ids.remove(item["call_id"])
            answered.append(item["call_id"])
    missing = [call_id for call_id in called if call_id not in answered]
    if missing:
        raise invalid(f"No tool output found for function call {missing[0]}.", "input")


def _check_reasoning_followed(items: list[Body]) -> None:
    for item, following in zip(items, [*items[1:], {}], strict=True):
        if item.get("type") != "reasoning":
            continue
        kind, role = following.get("type", "message"), following.get("role")
        if kind not in ("reasoning", "function_call") and role != "assistant":
            raise invalid(
                f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item.",
                "input",
            )


def _texts(item: Body) -> Iterator[str]:
    content = item.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part["text"] for part in content if "text" in part)


def _output_text(output: object) -> str:
    if isinstance(output, list):
        return "".join(part.get("text", "") for part in output)
    return str(output)
