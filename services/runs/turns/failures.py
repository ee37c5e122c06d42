"""What goes wrong in a turn, as the public API tells it."""

from services.common.errors import DeadlineExceeded, Internal, OutOfRange, PerdureError, Unavailable
from services.runs.records import Failure

# reason: public type, HTTP status, sentence. Reasons are those of perdure.llm_router.v1.LlmRouterService.Complete.
_MODEL_FAILURES = {
    "LLM_BAD_REQUEST": ("llm_bad_request", 400, "The model's provider refuses the request."),
    "LLM_AUTHENTICATION": ("llm_authentication", 401, "The model's provider does not accept the credentials."),
    "LLM_INSUFFICIENT_CREDITS": ("llm_insufficient_credits", 402, "The account at the model's provider has no credit."),
    "LLM_RATE_LIMIT": ("llm_rate_limit", 429, "The model's provider limits the rate of requests. Try again later."),
    "LLM_TIMEOUT": ("llm_timeout", 504, "The model did not answer in time."),
    "LLM_OVERLOADED": ("llm_error", 503, "The model's provider is overloaded. Try again later."),
    "LLM_EMPTY_RESPONSE": ("llm_empty_response", 500, "The model gave an empty answer."),
    "LLM_CONTENT_FILTERED": ("llm_error", 500, "The model's provider held the answer back."),
    "LLM_UNAVAILABLE": ("llm_error", 500, "The model's provider cannot be reached."),
    "LLM_ERROR": ("llm_error", 500, "The call of the model failed."),
}
CONTEXT_WINDOW_EXCEEDED = "CONTEXT_WINDOW_EXCEEDED"


class EmptyAnswer(PerdureError):
    """The model said nothing and called nothing."""

    reason = "LLM_EMPTY_RESPONSE"


class ContextWindowExceeded(OutOfRange):
    """The prompt is over the model's window, also after compaction."""

    reason = CONTEXT_WINDOW_EXCEEDED


class OutOfTime(DeadlineExceeded):
    """The time is over that the client gave the run."""

    def __init__(self) -> None:
        super().__init__("The time that its client gave the run is over.")


def is_overflow(error: PerdureError) -> bool:
    """Whether the prompt was over the model's window."""
    return isinstance(error, OutOfRange) or error.reason == "LLM_CONTEXT_WINDOW"


def is_interruption(error: PerdureError) -> bool:
    """Whether a service went away under a call: the call may be made again. Its own refusals have reasons."""
    return isinstance(error, Unavailable) and error.reason == Unavailable.reason


def is_unclear(error: PerdureError) -> bool:
    """Whether a call that brought this may have done its work all the same, as its answer alone was lost."""
    return error.reason == Internal.reason


def describe_failure(error: PerdureError) -> Failure:
    """The failure that a run ends with."""
    detail = str(error.detail)
    if error.reason in _MODEL_FAILURES:
        kind, status, message = _MODEL_FAILURES[error.reason]
        return Failure(kind, message, detail, error.reason, status, "llm_api_error")
    if isinstance(error, OutOfTime):
        return Failure("deadline_exceeded", detail, detail, error.reason, error.http_status, "error")
    if isinstance(error, ContextWindowExceeded):
        return Failure("internal_error", detail, detail, error.reason, error.http_status, "error")
    return Failure("internal_error", "The turn failed in the server.", detail, error.reason, error.http_status, "error")
