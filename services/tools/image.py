"""Images among what a tool returns."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from services.common.validation import tell_problems
from services.contract.content import Base64Image, ImagePart, ShownPart, TextPart, UrlImage

_PARTS: TypeAdapter[list[ShownPart]] = TypeAdapter(list[ShownPart])


@dataclass(frozen=True)
class Image:
    """The bytes, and what they are ("image/png"); or the address where they are."""

    data: bytes = b""
    media_type: str = ""
    url: str = ""


def name_images(text: str, images: Sequence[Image]) -> str:
    """The text with a word for each image, where only text can stand."""
    if not images:
        return text
    return "\n".join([text, *(f"[{image.media_type or image.url}]" for image in images)]).lstrip("\n")


def show_content(text: str, images: Sequence[Image]) -> str | list[ShownPart]:
    """A text as it is; with images, the parts that the public API has for them."""
    if not images:
        return text
    return [*([TextPart(text=text)] if text else []), *map(_show, images)]


def content_as_json(text: str, images: Sequence[Image]) -> str:
    """Those parts as JSON; empty without images: then the text is all there is."""
    shown = show_content(text, images)
    return "" if isinstance(shown, str) else _PARTS.dump_json(shown, exclude_none=True).decode()


def _show(image: Image) -> ImagePart:
    if image.url:
        return ImagePart(source=UrlImage(url=image.url))
    data = base64.b64encode(image.data).decode()
    return ImagePart(source=Base64Image(media_type=image.media_type, data=data))


def read_images(parts: Sequence[Mapping[str, Any]]) -> list[Image]:  # Any: JSON
    """The images among content as the public API has it. Raises ValueError, which says what is wrong with them."""
    try:
        read = _PARTS.validate_python(parts)
    except ValidationError as exc:
        raise ValueError(f"part {tell_problems(exc)[0]}") from exc
    return [_read_image(part) for part in read if isinstance(part, ImagePart)]


def _read_image(part: ImagePart) -> Image:
    match part.source:
        case UrlImage(url=url):
            return Image(url=url)
        case Base64Image(data=data, media_type=media_type):
            try:
                return Image(base64.b64decode(data, validate=True), media_type)
            except binascii.Error as exc:
                raise ValueError(f"the data of an image is not base64: {exc}") from exc
    raise ValueError("images are given as base64 or url")
