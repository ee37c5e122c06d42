"""Images that models may be shown.

Providers refuse a whole conversation for one image that is none, or is other than it is called.
"""

import base64
import re

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, Image, Message, Part, ToolReturn

UNSEEN_IMAGE = "[An image was here, which this model cannot see.]"
_UNNAMED = "image/png"  # what bytes are taken for that neither look like an image nor have a name
# What at least one vendor takes: https://platform.openai.com/docs/guides/images-vision,
# https://platform.claude.com/docs/en/build-with-claude/vision, https://ai.google.dev/gemini-api/docs/image-understanding
_SHOWN = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp", "image/heic", "image/heif"))
_DETAILS = ("auto", "low", "high", "original")  # what OpenAI knows; others are refused
_BEGINNINGS = (
    (re.compile(rb"\x89PNG"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)
_DATA_ADDRESS = re.compile(r"data:([^;,]*)[^,]*;base64,", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def media_type(image: Image) -> str:
    """The media type of an image given by value: what its bytes look like, or else what it is called."""
    looks = (name for beginning, name in _BEGINNINGS if beginning.match(image.data))
    return next(looks, image.media_type or _UNNAMED)


def with_shown_images(message: Message) -> Message:
    """The message with words in the place of images that no model takes, or that one is said to have spoken."""
    if not any(part.HasField("image") or part.tool_return.images for part in message.parts):
        return message
    shown = Message()
    shown.CopyFrom(message)
    for part in shown.parts:
        if part.HasField("image"):
            _show(part, only_text=message.role in (ROLE_ASSISTANT, ROLE_SYSTEM))
        elif part.HasField("tool_return"):
            _show_returned(part.tool_return)
    return shown


def _show(part: Part, *, only_text: bool) -> None:
    image = None if only_text else _usable(part.image)
    if image is None:
        part.text = UNSEEN_IMAGE
    else:
        part.image.CopyFrom(image)


def _show_returned(result: ToolReturn) -> None:
    usable = [image for image in map(_usable, result.images) if image is not None]
    result.value += f"\n{UNSEEN_IMAGE}" * (len(result.images) - len(usable))
    del result.images[:]
    result.images.extend(usable)


def _usable(image: Image) -> Image | None:
    """A copy of the image, its bytes taken out of an address that holds them; None when no model takes it."""
    usable = Image()
    usable.CopyFrom(image)
    usable.detail = image.detail if image.detail in _DETAILS else ""
    if _ADDRESS.match(image.url):
        return usable
    if held := _DATA_ADDRESS.match(image.url):
        usable.data, usable.media_type = _decode(image.url[held.end() :]), held[1]
    return usable if usable.data and media_type(usable) in _SHOWN else None


def _decode(text: str) -> bytes:
    """The bytes that the text stands for in base64; none where it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
