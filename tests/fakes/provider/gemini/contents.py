"""Reading the contents of a request, as strictly as Gemini."""

from typing import Literal

from tests.fakes.provider.gemini.fields import read_fields
from tests.fakes.provider.gemini.vendor import invalid
from tests.fakes.provider.prompt import Body, ToolCall, ToolReturn, Turn
from tests.fakes.provider.request_body import as_text
from tests.fakes.provider.seal import is_seal

_ROLES: dict[str, Literal["user", "assistant"]] = {"user": "user", "function": "user", "model": "assistant"}
# https://ai.google.dev/gemini-api/docs/thought-signatures: stands in for calls that Gemini did not make.
_SKIPPED = {"skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="}


def read_contents(contents: list[Body]) -> list[Body]:
    """The contents with roles and field names as Gemini itself writes them.

    Raises:
        Refusal: an unknown role, empty parts, calls and returns that do not pair, altered or missing signatures.
    """
    if not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    read = [_read_content(content, index) for index, content in enumerate(contents)]
    if read[-1]["role"] == "model":
        raise invalid("Please ensure that multiturn requests ends with a user role or a function response.")
    _check_pairs(read)
    _check_signatures(read)
    return read


def read_turn(content: Body) -> Turn:
    """A content as a turn of the conversation."""
    calls = _data(content, "functionCall")
    returns = _data(content, "functionResponse")
    return Turn(
        role=_ROLES[content["role"]],
        texts=tuple(part["text"] for part in content["parts"] if "text" in part and not part.get("thought")),
        calls=tuple(ToolCall(call["name"], call.get("id") or "") for call in calls),
        returns=tuple(ToolReturn(item.get("id") or item["name"], as_text(item["response"])) for item in returns),
    )


def _read_content(content: Body, index: int) -> Body:
    role = content.get("role") or "user"
    if role not in _ROLES:
        raise invalid("Please use a valid role: user, model.")
    parts = [read_fields(part) for part in content.get("parts") or ()]
    if not parts:
        raise invalid(f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.")
    for number, part in enumerate(parts):
        if not any(part.get(name) for name in ("text", "functionCall", "functionResponse", "inlineData", "fileData")):
            raise invalid(
                f"* GenerateContentRequest.contents[{index}].parts[{number}].data: required oneof field 'data' must "
                "have one initialized field"
            )
        if "functionResponse" in part and not isinstance(part["functionResponse"].get("response"), dict):
            raise invalid(
                f"* GenerateContentRequest.contents[{index}].parts[{number}].function_response.response: "
                "must be a struct"
            )
    return {"role": role, "parts": parts}


def _check_pairs(contents: list[Body]) -> None:
    previous: Body = {"role": "none", "parts": []}
    for content, following in zip(contents, [*contents[1:], previous], strict=True):
        called = [call["name"] for call in _data(content, "functionCall")]
        answered = [item["name"] for item in _data(content, "functionResponse")]
        if called and previous["role"] not in ("user", "function"):
            raise invalid(
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
        if answered and not _data(previous, "functionCall"):
            raise invalid("Please ensure that function response turn comes immediately after a function call turn.")
        if called and sorted(item["name"] for item in _data(following, "functionResponse")) != sorted(called):
            raise invalid(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        if _ids(content, "functionCall") != _ids(following, "functionResponse") and called:
            raise invalid("Please ensure that function responses have the ids of their function calls.")
        previous = content


def _ids(content: Body, name: str) -> list[str | None]:
    return [item.get("id") for item in _data(content, name)]


def _check_signatures(contents: list[Body]) -> None:
    """All signatures must be genuine; calls since the last user message must have theirs, the first of each content."""
    for content in contents:
        for part in content["parts"]:
            signature = part.get("thoughtSignature")
            if signature is not None and signature not in _SKIPPED and not is_seal(signature):
                raise invalid("Corrupted thought signature.")
    last = max((i for i, content in enumerate(contents) if _is_user_message(content)), default=-1)
    for index, content in enumerate(contents[last + 1 :], start=last + 1):
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None and not first.get("thoughtSignature"):
            name = first["functionCall"]["name"]
            raise invalid(
                f"Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                f"work correctly. Additional data, function call `default_api:{name}`, position {index + 1}."
            )


def _is_user_message(content: Body) -> bool:
    return content["role"] == "user" and any("text" in part for part in content["parts"])


def _data(content: Body, name: str) -> list[Body]:
    return [part[name] for part in content["parts"] if name in part]
