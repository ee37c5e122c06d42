"""What a provider's error means, whichever provider it is."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from services.llm_router import errors
from services.llm_router.errors import ModelFailure

# How vendors and servers say that a prompt is too long: OpenAI, Anthropic, Gemini, Z.ai, vLLM, llama.cpp, LM Studio,
# Groq, xAI, Mistral, Bedrock. Wording changes more often than codes; both are looked at.
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|model_context_window_exceeded"
    r"|maximum context length|(exceeds?|beyond) (the |this |your )?(model'?s? )?(available |maximum )?context"
    r"|prompt is too long|prompt exceeds max|input is too long|prompt length is|input length and .max_tokens. exceed"
    r"|token count.{0,40}exceeds the maximum|greater than the context length|reduce the length of the messages"
    r"|longer than the (maximum model|context) length|too many tokens in (the )?prompt",
    re.IGNORECASE,
)
_TOO_LONG_CODES = {"context_length_exceeded", "1261"}  # the number is Z.ai's
_CREDIT_CODES = {"insufficient_quota", "billing_hard_limit_reached", "billing_error", "1113"}
_CREDITS = re.compile(r"credit balance is too low|insufficient (balance|credits)", re.IGNORECASE)
_FILTER_CODES = {"content_filter", "content_policy_violation", "1301"}
_KEY = re.compile(r"api key not valid|invalid api key", re.IGNORECASE)  # Gemini calls it an invalid argument
_THOUGHTS = re.compile(
    r"invalid_encrypted_content|encrypted content|thought.?signature|of type .reasoning. was provided without"
    r"|messages\.\d.*thinking",
    re.IGNORECASE,
)
_SCHEMAS = re.compile(r"schema|\bstrict\b|compiled grammar", re.IGNORECASE)
_IMAGES = re.compile(r"image|(mime|media).?type|downloading|download the file|fetch content", re.IGNORECASE)
_OVERLOAD_CODES = {"overloaded_error", "overloaded"}
_RATE_CODES = {"rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED"}
_SERVER_CODES = {"api_error", "server_error", "INTERNAL", "UNAVAILABLE"}
_BY_STATUS: dict[int, type[ModelFailure]] = {
    400: errors.RequestRefused,
    401: errors.KeyRefused,
    402: errors.CreditsExhausted,
    408: errors.TimedOut,
    413: errors.ContextWindowExceeded,
    422: errors.RequestRefused,
    429: errors.RateLimited,
    503: errors.Overloaded,
    504: errors.TimedOut,
    529: errors.Overloaded,
}


@dataclass(frozen=True)
class Refusal:
    """An error as a provider prints it. `status` is 0 in the middle of a stream; `codes` are its names for it."""

    message: str
    status: int = 0
    codes: frozenset[str] = frozenset()
    retry_after_s: float | None = None

    def to_failure(self) -> ModelFailure:
        """The same in our words."""
        return self._kind()(self.message, status=self.status, retry_after_s=self.retry_after_s)

    def _kind(self) -> type[ModelFailure]:
        return self._kind_by_words() or _BY_STATUS.get(self.status) or self._kind_by_range()

    def _kind_by_words(self) -> type[ModelFailure] | None:
        if self.status in (0, 400, 413, 422, 500) and (self.codes & _TOO_LONG_CODES or _TOO_LONG.search(self.message)):
            return errors.ContextWindowExceeded
        if self.codes & _CREDIT_CODES or _CREDITS.search(self.message):
            return errors.CreditsExhausted
        if self.status == 400 and _KEY.search(self.message):
            return errors.KeyRefused
        if self.status == 400 and (_THOUGHTS.search(self.message) or "invalid_encrypted_content" in self.codes):
            return errors.ThoughtsRefused
        if self.codes & _FILTER_CODES:
            return errors.ContentFiltered
        if self.status in (400, 422) and _SCHEMAS.search(self.message):
            return errors.SchemasRefused
        if self.status in (400, 422) and _IMAGES.search(self.message):
            return errors.ImagesRefused
        if self.codes & _OVERLOAD_CODES:
            return errors.Overloaded
        return errors.RateLimited if not self.status and self.codes & _RATE_CODES else None

    def _kind_by_range(self) -> type[ModelFailure]:
        is_theirs = self.status >= 500 or (not self.status and bool(self.codes & _SERVER_CODES))
        return errors.ProviderUnavailable if is_theirs else errors.ProviderFailed


def read_codes(error: Mapping[str, object]) -> frozenset[str]:
    """The names that an error object of a vendor gives itself."""
    return frozenset(str(error[key]) for key in ("code", "type", "status") if error.get(key))


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait, from `retry-after-ms` or `retry-after` (seconds or a date)."""
    milliseconds, seconds = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    try:
        wait_s = float(milliseconds) / 1000 if milliseconds else float(seconds)
    except ValueError:
        return _seconds_until(seconds)
    return max(0.0, wait_s) if math.isfinite(wait_s) else None


def _seconds_until(date: str) -> float | None:
    try:
        return max(0.0, (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
