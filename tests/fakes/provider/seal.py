"""Seals on what a model thought, with which a vendor recognises its own words when they are sent back."""

import base64
import binascii
import hashlib

_KEY = b"the vendor's own secret"
_DIGEST_BYTES = 24


def seal(text: str) -> str:
    """A seal on a text, as base64; the same text has the same seal, also after a restart."""
    digest = _digest(text.encode())
    return base64.b64encode(digest + _digest(digest)).decode()


def is_seal(value: object) -> bool:
    """Whether a value is an unaltered seal, on whatever text."""
    try:
        data = base64.b64decode(str(value).replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        return False
    return len(data) == 2 * _DIGEST_BYTES and data[_DIGEST_BYTES:] == _digest(data[:_DIGEST_BYTES])


def seals(value: object, text: str) -> bool:
    """Whether a value is the seal on this text."""
    return value == seal(text)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES, key=_KEY).digest()
