"""Embeddings: a bag of words, so that texts with words in common are near."""

import hashlib
import math
import re

_WORD = re.compile(r"\w+")
_DIMENSIONS_PER_WORD = 16


def embed(text: str, dimensions: int) -> list[float]:
    """A unit vector; the same for the same words, near for texts that share words."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [text]:
        digest = hashlib.blake2b(word.encode(), digest_size=4 * _DIMENSIONS_PER_WORD).digest()
        for start in range(0, len(digest), 4):
            number = int.from_bytes(digest[start : start + 4], "big")
            vector[(number >> 1) % dimensions] += 1.0 if number & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]
