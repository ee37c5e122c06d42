"""Images among what a tool returns."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Image:
    """The bytes, and what they are ("image/png")."""

    data: bytes
    media_type: str


def name_images(text: str, images: Sequence[Image]) -> str:
    """The text with a word for each image, where only text can stand."""
    return "\n".join([text, *(f"[{image.media_type}]" for image in images)]).lstrip("\n") if images else text
