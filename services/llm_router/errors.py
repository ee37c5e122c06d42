"""What goes wrong between us and a model, in our own words: one class per reason of llm_router_service.proto."""

from services.common.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PerdureError,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)


class MalformedHandle(InvalidArgument):
    """A handle without a provider or a name."""

    reason = "MALFORMED_HANDLE"

    def __init__(self, handle: str) -> None:
        super().__init__(f"A model handle has the form <provider>/<model>, such as openai/gpt-4o; {handle!r} has not.")


class ModelNotFound(NotFound):
    """No provider that is configured has the model."""

    reason = "MODEL_NOT_FOUND"

    def __init__(self, handle: str, known: list[str]) -> None:
        super().__init__(f"Model {handle!r} not found. Known ones: {', '.join(known) or 'none'}.")


class ModelFailure(PerdureError):
    """A model call that failed.

    `is_transient` says that the same call may go through a moment later. The caller's client must not repeat it
    (`should_retry` is false): that is done here. `status` is the provider's HTTP status, 0 when there was none.
    """

    is_transient = False

    def __init__(self, detail: str, *, status: int = 0, retry_after_s: float | None = None) -> None:
        metadata = {"status": str(status)} if status else {}
        storable = detail.replace("\0", "")  # providers quote what they refuse; Postgres has no text with NUL
        super().__init__(storable, metadata=metadata, should_retry=False, retry_after_s=retry_after_s)


class RequestRefused(ModelFailure, InvalidArgument):
    """The provider finds the request wrong."""

    reason = "LLM_BAD_REQUEST"


class ThoughtsRefused(RequestRefused):
    """The provider does not take back its model's earlier thoughts: its key or its signatures have changed."""


class ImagesRefused(RequestRefused):
    """The provider cannot fetch an image of the conversation, or makes nothing of one."""


class SchemasRefused(RequestRefused):
    """The provider cannot hold its model to the schemas of the tools: they are too many, too large or unknown to it."""


class KeyRefused(ModelFailure, Unauthenticated):
    """The provider does not take our key."""

    reason = "LLM_AUTHENTICATION"


class CreditsExhausted(ModelFailure, ResourceExhausted):
    """The account at the provider has nothing left to spend."""

    http_status = 402
    reason = "LLM_INSUFFICIENT_CREDITS"


class RateLimited(ModelFailure, ResourceExhausted):
    """The provider wants fewer calls."""

    reason = "LLM_RATE_LIMIT"
    is_transient = True


class Overloaded(ModelFailure, Unavailable):
    """The provider has more work than it can do, or we have more calls under way to it than allowed."""

    reason = "LLM_OVERLOADED"
    is_transient = True


class TimedOut(ModelFailure, DeadlineExceeded):
    """The provider took too long."""

    reason = "LLM_TIMEOUT"


class ProviderUnavailable(ModelFailure, Unavailable):
    """The provider cannot be reached, broke the connection or answered with an error of its own."""

    http_status = 500
    reason = "LLM_UNAVAILABLE"
    is_transient = True


class ContentFiltered(ModelFailure, InvalidArgument):
    """The provider's filter let nothing through."""

    reason = "LLM_CONTENT_FILTERED"


class EmptyAnswer(ModelFailure, Internal):
    """The model said nothing and called nothing."""

    reason = "LLM_EMPTY_RESPONSE"


class ProviderFailed(ModelFailure, Internal):
    """Anything else: an answer that cannot be read, a refusal of another kind."""

    reason = "LLM_ERROR"


class ContextWindowExceeded(ModelFailure, OutOfRange):
    """The prompt is larger than the model's context window."""

    reason = "LLM_CONTEXT_WINDOW"

    def __init__(self, detail: str, *, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(f"CONTEXT_WINDOW_EXCEEDED: {detail}", status=status, retry_after_s=retry_after_s)
