"""Counting tokens, and the cache of prompt prefixes that vendors bill more cheaply."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

_CHARACTERS_PER_TOKEN = 4  # the vendors' own rule of thumb for English
_REMEMBERED_PREFIXES = 20_000
_MINIMUM_CACHED_TOKENS = 1024  # shorter prefixes are not cached: OpenAI, Anthropic and Gemini alike
_CACHE_STEP_TOKENS = 128  # https://platform.openai.com/docs/guides/prompt-caching


@dataclass(frozen=True)
class Usage:
    """Tokens of one completion; `cached` and `cache_written` are part of `input`, `reasoning` is part of `output`."""

    input: int
    output: int
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0


def count_tokens(text: str) -> int:
    """Tokens of a text; none for an empty one."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def split_tokens(text: str) -> list[str]:
    """The pieces a text is streamed in: words with the blank before them, long ones cut."""
    words = text.replace(" ", "\0 ").split("\0")
    return [word[i : i + 24] for word in words for i in range(0, len(word), 24)]


class PromptCache:
    """Remembers the prefixes of prompts seen, by hash."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def reuse(self, segments: tuple[str, ...]) -> int:
        """Tokens of the longest prefix of whole segments seen before; remembers this prompt's prefixes."""
        digest, tokens, cached = hashlib.blake2b(digest_size=16), 0, 0
        for segment in segments:
            digest.update(segment.encode())
            tokens += count_tokens(segment)
            key = digest.digest()
            if key in self._seen:
                cached = tokens
            self._seen[key] = None
            self._seen.move_to_end(key)
        while len(self._seen) > _REMEMBERED_PREFIXES:
            self._seen.popitem(last=False)
        return cached if cached >= _MINIMUM_CACHED_TOKENS else 0


def round_cached(tokens: int) -> int:
    """Cached tokens as OpenAI reports them: in steps of 128."""
    return tokens - tokens % _CACHE_STEP_TOKENS
