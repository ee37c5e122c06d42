"""What a call's process says at its end. It may say anything: the tool's code can write there, too."""

from typing import Any

import orjson

from services.tools.sandbox.job import Failed, Returned


def read_answer(frame: bytes, char_limit: int) -> Returned | Failed:
    """How the call ended. Raises ValueError for what a call cannot say."""
    answer = orjson.loads(frame)
    if not isinstance(answer, dict):
        raise ValueError("it is not an object")  # noqa: TRY004  # the process's value is wrong, not our use of a type
    if "error" in answer:
        return Failed(storable(str(answer["error"]))[:char_limit])
    value = storable(str(answer.get("value")))
    length = answer.get("length")
    return Returned(
        value[:char_limit],
        max(len(value), length if isinstance(length, int) else 0),
        parts=_read_parts(answer.get("parts")),
        json=_read_json(answer.get("json"), char_limit),
        memory=_read_memory(answer.get("memory")),
    )


def storable(text: str) -> str:
    """Text that Postgres takes: without NUL."""
    return text.replace("\0", "\ufffd")


def _read_json(said: object, char_limit: int) -> str:
    """JSON that callers can read; empty for what is none, is longer than it may be, or holds halves of characters."""
    if not isinstance(said, str) or len(said) > char_limit:
        return ""
    try:
        orjson.loads(said)
    except orjson.JSONDecodeError:
        return ""
    return said


def _read_memory(said: object) -> dict[str, str]:
    if not isinstance(said, dict):
        return {}
    return {str(label): storable(str(text)) for label, text in said.items()}


def _read_parts(said: object) -> tuple[dict[str, Any], ...]:  # Any, here and below: JSON
    if not isinstance(said, list):
        return ()
    return tuple(_read_part(one) for one in said)


def _read_part(said: Any) -> dict[str, Any]:
    match said:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": storable(text)}
        case {"type": "image", "source": {"type": "base64", "media_type": str(media_type), "data": str(data)}}:
            source = {"type": "base64", "media_type": storable(media_type), "data": storable(data)}
            return {"type": "image", "source": source}
        case {"type": "image", "source": {"type": "url", "url": str(url)}}:
            return {"type": "image", "source": {"type": "url", "url": storable(url)}}
    raise ValueError("a part of it is neither text nor an image with a source")
