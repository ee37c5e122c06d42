"""Talking to OpenAI and what is compatible with it: requests, errors, lists of models, embeddings."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, cast

import httpx2
import orjson
from openai import AsyncOpenAI, AsyncStream

from services.llm_router.completion import Vector
from services.llm_router.deadlines import Deadlines
from services.llm_router.errors import ProviderFailed
from services.llm_router.model import ListedModel
from services.llm_router.providers.raw_stream import read_events, request_timeout
from services.llm_router.providers.sdk_errors import decode_events, sdk_errors
from services.llm_router.providers.spoken import Json


class OpenAiClient:
    """The vendor's client, asked for raw answers."""

    def __init__(self, base_url: str, api_key: str, deadlines: Deadlines) -> None:
        timeout = request_timeout(deadlines)
        self.sdk = AsyncOpenAI(base_url=base_url, api_key=api_key or "none", max_retries=0, timeout=timeout)

    async def stream(self, path: str, body: Json) -> AsyncGenerator[list[Json], None]:
        """The events in each chunk of the answer. Raises `ModelFailure`."""
        with sdk_errors():
            response = await self.sdk.post(
                path, cast_to=httpx2.Response, content=orjson.dumps(body), stream=True, stream_cls=AsyncStream[object]
            )
            async for chunk in read_events(cast(httpx2.Response, response)):
                yield decode_events(chunk)

    async def list_models(self) -> list[Json]:
        """The provider's list as it prints it."""
        with sdk_errors():
            answer = await self.sdk.get("/models", cast_to=httpx2.Response)
            listed = orjson.loads(answer.content)
        return list(listed["data"] if isinstance(listed, dict) else listed)  # Together sends a bare list

    async def fetch_beside(self, path: str, body: Json | None = None) -> Json:
        """What a route beside the compatible ones answers, asked with a body if there is one."""
        root = str(self.sdk.base_url).rstrip("/").removesuffix("/v1")
        with sdk_errors():
            if body is None:
                answer = await self.sdk.get(root + path, cast_to=httpx2.Response)
            else:
                answer = await self.sdk.post(root + path, cast_to=httpx2.Response, body=body)
            fetched: Json = orjson.loads(answer.content)
        return fetched

    async def has_model(self, name: str) -> bool:
        """Whether the provider knows the model."""
        try:
            with sdk_errors():
                await self.sdk.get(f"/models/{name}", cast_to=httpx2.Response)
        except ProviderFailed:
            return False
        return True

    async def embed(self, name: str, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """A vector for each text, and the tokens used."""
        with sdk_errors():
            answer = await self.sdk.embeddings.create(model=name, input=list(texts), encoding_format="float")
        tokens = answer.usage.prompt_tokens if answer.usage else 0
        return [item.embedding for item in sorted(answer.data, key=lambda item: item.index)], tokens


# A list says little of a model's kind; these words in a name tell that it does not hold a conversation.
_OTHER_KINDS = (
    "audio",
    "babbage",
    "dall-e",
    "davinci",
    "image",
    "turbo-instruct",
    "moderation",
    "realtime",
    "rerank",
    "search-preview",
    "sora",
    "transcribe",
    "tts",
    "whisper",
)
_WINDOW_KEYS = ("loaded_context_length", "max_model_len", "context_window", "context_length", "max_context_length")
_OUTPUT_KEYS = ("max_completion_tokens", "max_output_length")


def read_listed(item: Json) -> ListedModel | None:
    """A model of a list, with what servers and vendors add of its sizes; None when it is of another kind."""
    name = str(item["id"])
    embeds = "embed" in name or item.get("type") in ("embedding", "embeddings")
    if not embeds and any(word in name for word in _OTHER_KINDS):
        return None
    modalities = (item.get("architecture") or {}).get("input_modalities")
    return ListedModel(
        name=name,
        context_window=_first_number(item, _WINDOW_KEYS),
        output_limit=_first_number({**item, **(item.get("top_provider") or {})}, _OUTPUT_KEYS),
        reasoning="reasoning" in item["supported_parameters"] if "supported_parameters" in item else None,
        vision="image" in modalities if modalities else item.get("type") == "vlm" or None,
        embeds=embeds,
    )


def _first_number(item: Mapping[str, Any], keys: Sequence[str]) -> int:
    return next((item[key] for key in keys if isinstance(item.get(key), int)), 0)
