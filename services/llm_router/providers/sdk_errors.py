"""What the vendors' SDKs raise, and what goes wrong in reading what they give, as failures of ours."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import anthropic
import httpx2
import openai
import orjson
from google.genai import errors as genai

from services.llm_router.completion import Delta
from services.llm_router.errors import ModelFailure, ProviderFailed, ProviderUnavailable, TimedOut
from services.llm_router.providers.refusal import Refusal, read_codes, read_retry_after
from services.llm_router.providers.spoken import Json

_DELAY = re.compile(r"([\d.]+)s")  # google.protobuf.Duration as JSON


@contextmanager
def sdk_errors() -> Iterator[None]:
    """Around every use of an SDK."""
    try:
        yield
    except (openai.APIStatusError, anthropic.APIStatusError) as exc:
        raise _read_status_error(exc) from exc
    except genai.APIError as exc:
        raise _read_genai_error(exc) from exc
    except (openai.APITimeoutError, anthropic.APITimeoutError, httpx2.TimeoutException) as exc:
        raise TimedOut("The provider did not take the request in time.") from exc
    except (openai.APIConnectionError, anthropic.APIConnectionError, httpx2.TransportError) as exc:
        raise ProviderUnavailable(f"The connection to the provider failed: {exc}") from exc
    except (openai.OpenAIError, anthropic.AnthropicError, httpx2.HTTPError, ValueError) as exc:
        raise ProviderFailed(f"The provider's answer cannot be read: {exc}") from exc


def read_chunk(read: Callable[[Json], Iterable[Delta]], events: Iterable[Json]) -> list[Delta]:
    """What the events of a chunk add. Raises `ProviderFailed` for an event that is not of the protocol's form."""
    try:
        return [delta for event in events for delta in read(event)]
    except (KeyError, TypeError, AttributeError, IndexError) as exc:
        raise ProviderFailed(f"The provider sent an event that cannot be read: {exc!r}") from exc


def read_stream_error(error: object) -> ModelFailure:
    """The failure that an error object in the middle of a stream stands for."""
    if not isinstance(error, Mapping):
        return Refusal(str(error)).to_failure()
    code = error.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 0
    return Refusal(str(error.get("message", "")), status=status, codes=read_codes(error)).to_failure()


def _read_status_error(exc: openai.APIStatusError | anthropic.APIStatusError) -> ModelFailure:
    body = exc.body if isinstance(exc.body, dict) else {}
    error = body.get("error", body)  # OpenAI's SDK gives the error itself, Anthropic's what it is wrapped in
    error = error if isinstance(error, dict) else {"message": error}
    return Refusal(
        message=str(error.get("message") or exc.message),
        status=exc.status_code,
        codes=read_codes(error),
        retry_after_s=read_retry_after(exc.response.headers),
    ).to_failure()


def _read_genai_error(exc: genai.APIError) -> ModelFailure:
    body = exc.details if isinstance(exc.details, dict) else {}
    error = body.get("error", body)
    headers = exc.response.headers if isinstance(exc.response, httpx2.Response) else {}
    return Refusal(
        message=exc.message or str(exc),
        status=exc.code,
        codes=read_codes(error),
        retry_after_s=_read_retry_delay(error.get("details") or ()) or read_retry_after(headers),
    ).to_failure()


def _read_retry_delay(details: Iterable[Mapping[str, str]]) -> float | None:
    delays = (_DELAY.fullmatch(detail.get("retryDelay", "")) for detail in details)
    return next((float(delay.group(1)) for delay in delays if delay), None)


def decode_events(data: Iterable[bytes]) -> list[Json]:
    """The JSON of events; the word that ends some streams is left out."""
    return [orjson.loads(event) for event in data if event != b"[DONE]"]
