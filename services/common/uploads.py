"""Uploaded files: the part `file` of a multipart form."""

import asyncio
from dataclasses import dataclass
from io import BytesIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, FormParser, parse_options_header

from services.common.errors import Unprocessable

PART = "file"


@dataclass(frozen=True)
class Upload:
    """A file as it was sent; the name and the media type are what the sender says, and may be empty."""

    name: str
    media_type: str
    data: bytes


async def read_upload(content_type: str, body: bytes) -> Upload:
    """The file in a form, read away from the event loop. Raises `Unprocessable` where there is none."""
    return await asyncio.to_thread(_read, content_type, body)


def _read(content_type: str, body: bytes) -> Upload:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise _malformed(f"The request needs a multipart form with the file in its part {PART!r}.")
    found: list[File] = []
    parser = FormParser(
        "multipart/form-data",
        None,
        found.append,
        boundary=options[b"boundary"],
        config={"MAX_MEMORY_FILE_SIZE": len(body) + 1},
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as exc:
        raise _malformed(f"The form cannot be read: {exc}") from exc
    for file in found:
        if file.field_name == PART.encode() and isinstance(file.file_object, BytesIO):
            name = (file.file_name or b"").decode(errors="replace")
            return Upload(name, file.content_type or "", file.file_object.getvalue())
    raise _malformed(f"The form has no file in its part {PART!r}.")


def _malformed(message: str) -> Unprocessable:
    return Unprocessable([{"type": "missing", "loc": ["body", PART], "msg": message}])
