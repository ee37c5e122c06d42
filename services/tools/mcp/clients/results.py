"""What a tool of a server answered, as a model takes it: text and images. What is neither is named in the text."""

import base64
import binascii
from itertools import islice

import orjson
from mcp.types import AudioContent, CallToolResult, ContentBlock, EmbeddedResource, ImageContent, ResourceLink

from services.tools.image import Image
from services.tools.mcp.server import Result

MAX_IMAGES = 20  # of one answer
# The least that a provider allows: https://docs.claude.com/en/docs/build-with-claude/vision
MAX_IMAGE_BYTES = 5 * 1024 * 1024
SEEN_TYPES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))  # by the models of every provider


def read_result(answered: CallToolResult) -> Result:
    """The texts joined, the images in their order; structured content where there is nothing else."""
    pieces = [_piece(block) for block in answered.content]
    images = tuple(islice((piece for piece in pieces if isinstance(piece, Image)), MAX_IMAGES))
    text = "\n".join(piece for piece in pieces if isinstance(piece, str))
    if not pieces and answered.structured_content is not None:
        text = orjson.dumps(answered.structured_content).decode()
    return Result(text, images, answered.is_error)


def _piece(block: ContentBlock) -> str | Image:
    if isinstance(block, ImageContent | AudioContent):
        return _bytes(block.data, block.mime_type)
    if isinstance(block, ResourceLink):
        return f"[{block.name}: {block.uri}]"
    if isinstance(block, EmbeddedResource):
        blob = getattr(block.resource, "blob", None)
        if blob is not None:
            return _bytes(blob, block.resource.mime_type or "bytes", name=f"{block.resource.uri}, ")
        return str(getattr(block.resource, "text", ""))
    return block.text


def _bytes(encoded: str, media_type: str, name: str = "") -> str | Image:
    """An image that a model can see, else a note of what it would have been."""
    if media_type not in SEEN_TYPES:
        return f"[{name}{media_type}, neither text nor an image]"
    if len(encoded) > MAX_IMAGE_BYTES * 4 // 3:
        return f"[{name}{media_type}, too large to show]"
    try:
        return Image(base64.b64decode(encoded, validate=True), media_type)
    except binascii.Error:
        return f"[{name}{media_type}, unreadable]"
