"""Every error class of the vendors' SDKs becomes one of ours."""

from collections.abc import Iterator
from types import ModuleType

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as genai

from services.llm_router.errors import (
    ContentFiltered,
    ContextWindowExceeded,
    CreditsExhausted,
    ImagesRefused,
    KeyRefused,
    ModelFailure,
    Overloaded,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
    SchemasRefused,
    ThoughtsRefused,
    TimedOut,
)
from services.llm_router.providers.refusal import Refusal, read_retry_after
from services.llm_router.providers.sdk_errors import sdk_errors

REQUEST = httpx2.Request("POST", "https://provider.example/v1")


def classes_of(module: ModuleType, root: type[Exception]) -> list[type[Exception]]:
    exported = [getattr(module, name) for name in module.__all__]
    return [value for value in exported if isinstance(value, type) and issubclass(value, root)]


def make(cls: type[Exception]) -> Exception:
    """An instance as the SDK would raise it, or bare where it has no HTTP answer."""
    if cls is openai.OAuthError:
        return openai.OAuthError(response=httpx2.Response(401, request=REQUEST), body=None)
    if issubclass(cls, (openai.APIStatusError, anthropic.APIStatusError)):
        status = getattr(cls, "status_code", 500)
        return cls("It failed.", response=httpx2.Response(status, request=REQUEST), body=None)
    error = cls.__new__(cls)
    error.args = ("It failed.",)
    return error


def failures() -> Iterator[Exception]:
    for cls in (*classes_of(openai, openai.OpenAIError), *classes_of(anthropic, anthropic.AnthropicError)):
        yield make(cls)
    for status in (400, 401, 403, 404, 429, 500, 503):
        yield genai.APIError(status, {"error": {"code": status, "message": "It failed.", "status": "X"}})
    for transport in (httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.ReadTimeout):
        yield transport("It failed.")


@pytest.mark.parametrize("error", list(failures()), ids=lambda error: type(error).__name__)
def test_an_error_of_an_sdk_is_one_of_ours(error: Exception) -> None:
    with pytest.raises(ModelFailure), sdk_errors():
        raise error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (make(openai.RateLimitError), RateLimited),
        (make(openai.AuthenticationError), KeyRefused),
        (make(openai.APITimeoutError), TimedOut),
        (make(openai.APIConnectionError), ProviderUnavailable),
        (make(anthropic.OverloadedError), Overloaded),
        (make(anthropic.PaymentRequiredError), CreditsExhausted),
        (make(anthropic.BadRequestError), RequestRefused),
        (httpx2.ReadError("gone"), ProviderUnavailable),
        (genai.APIError(503, {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}), Overloaded),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_an_error_keeps_its_meaning(error: Exception, expected: type[ModelFailure]) -> None:
    with pytest.raises(expected), sdk_errors():
        raise error


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 150000 tokens.",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Prompt exceeds max length",
        "the request exceeds the available context size, try increasing it",
        "The number of tokens to keep from the initial prompt is greater than the context length.",
        "Please reduce the length of the messages or completion.",
        "This model's maximum prompt length is 131072 but the request contains 150000 tokens.",
        "The prompt (total length 9000) is longer than the maximum model length of 8192.",
    ],
)
def test_every_vendors_words_for_a_prompt_that_is_too_long_are_known(words: str) -> None:
    assert isinstance(Refusal(words, status=400).to_failure(), ContextWindowExceeded)


@pytest.mark.parametrize(
    "words",
    [
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "messages.3.content.9: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
        "modified. These blocks must remain as they were in the original response.",
        "messages.5.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
        "messages.1: The final block in an assistant message cannot be `thinking`.",
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        "The encrypted content gAAA... could not be verified.",
        "Function call is missing a thought_signature in functionCall parts.",
    ],
)
def test_every_vendors_words_for_thoughts_that_it_refuses_are_known(words: str) -> None:
    assert isinstance(Refusal(words, status=400).to_failure(), ThoughtsRefused)


@pytest.mark.parametrize(
    "words",
    [
        "Could not process image",
        "messages.17.content.3.image.source.base64.data: Image does not match the provided media type image/jpeg",
        "Unable to download the file. Please verify the URL and try again.",
        "Error while downloading https://pictures.example/a.png. Upstream status code: 404.",
        "Invalid content type. image_url is only supported by certain models.",
        "Cannot fetch content from the provided URL.",
        "Unsupported MIME type: text/html",
    ],
)
def test_every_vendors_words_for_images_that_it_refuses_are_known(words: str) -> None:
    assert isinstance(Refusal(words, status=400).to_failure(), ImagesRefused)


@pytest.mark.parametrize(
    "words",
    [
        "The compiled grammar is too large, which would cause performance issues. Simplify your tool schemas.",
        "Too many strict tools (21). The maximum number of strict tools supported is 20.",
        "Schema is too complex for compilation.",
        "Invalid schema for function 'look': In context=('properties', 'a'), 'oneOf' is not permitted.",
        "tools.0.custom.strict: Extra inputs are not permitted",
    ],
)
def test_every_vendors_words_for_schemas_that_it_refuses_are_known(words: str) -> None:
    assert isinstance(Refusal(words, status=400).to_failure(), SchemasRefused)


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (Refusal("You exceeded your current quota.", 429, frozenset({"insufficient_quota"})), CreditsExhausted),
        (Refusal("Your credit balance is too low to access the API.", 400), CreditsExhausted),
        (Refusal("API key not valid. Please pass a valid API key.", 400), KeyRefused),
        (Refusal("Filtered.", 400, frozenset({"content_filter"})), ContentFiltered),
        (Refusal("Overloaded", 0, frozenset({"overloaded_error"})), Overloaded),
        (Refusal("Slow down.", 0, frozenset({"rate_limit_exceeded"})), RateLimited),
        (Refusal("Internal error.", 0, frozenset({"server_error"})), ProviderUnavailable),
        (Refusal("max_tokens is too large: 100000.", 400), RequestRefused),
    ],
)
def test_a_refusal_is_known_by_code_or_words(refusal: Refusal, expected: type[ModelFailure]) -> None:
    assert type(refusal.to_failure()) is expected


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_the_wait_that_a_provider_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds


def test_a_wait_in_the_headers_of_gemini_is_read() -> None:
    answer = httpx2.Response(429, headers={"retry-after": "7"}, request=REQUEST)

    with pytest.raises(RateLimited) as raised, sdk_errors():
        raise genai.APIError(429, {"error": {"code": 429, "message": "Slow down.", "status": "X"}}, answer)

    assert raised.value.retry_after_s == 7


def test_a_refusal_is_told_without_what_cannot_be_stored() -> None:
    assert str(Refusal("Invalid name: 'lo\0ok'.", status=400).to_failure()) == "Invalid name: 'look'."


def test_a_wait_until_a_date_in_the_past_is_none_at_all() -> None:
    assert read_retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
