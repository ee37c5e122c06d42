"""Servers on one's own machine: chat completions, and lists of their own that say how large a context they serve."""

import re

from services.llm_router.model import ListedModel
from services.llm_router.providers.openai_chat import OpenAiChatAdapter
from services.llm_router.providers.openai_client import read_listed
from services.llm_router.providers.spoken import Json

_NUM_CTX = re.compile(r"^num_ctx\s+(\d+)", re.MULTILINE)
_UNLOADED_CONTEXT = 32_768  # tokens; what is not loaded may get less than the model could take


class OllamaAdapter(OpenAiChatAdapter):
    """Ollama.  https://docs.ollama.com/api"""

    async def list_models(self) -> list[ListedModel]:
        """The models that are installed."""
        loaded = (await self._client.fetch_beside("/api/ps"))["models"]
        served = {model["name"]: model.get("context_length", 0) for model in loaded}
        names = [model["name"] for model in (await self._client.fetch_beside("/api/tags"))["models"]]
        return [await self._look_at(name, served.get(name, 0)) for name in names]

    async def _look_at(self, name: str, served: int) -> ListedModel:
        shown = await self._client.fetch_beside("/api/show", {"model": name})
        able = shown.get("capabilities") or []
        info = shown.get("model_info") or {}
        return ListedModel(
            name=name,
            context_window=served or _read_context(shown, info),
            reasoning="thinking" in able,
            vision="vision" in able,
            embeds="embedding" in able,
            dimensions=_find(info, ".embedding_length"),
        )


class LmStudioAdapter(OpenAiChatAdapter):
    """LM Studio.  https://lmstudio.ai/docs/developer/rest"""

    async def list_models(self) -> list[ListedModel]:
        """The models that are downloaded."""
        items = (await self._client.fetch_beside("/api/v0/models"))["data"]
        return [model for model in map(read_listed, items) if model is not None]


def _read_context(shown: Json, info: Json) -> int:
    """The context set in the model's file, or else what the model can take, within bounds."""
    match = _NUM_CTX.search(shown.get("parameters") or "")
    return int(match.group(1)) if match else min(_find(info, ".context_length"), _UNLOADED_CONTEXT)


def _find(info: Json, ending: str) -> int:
    """A number whose key begins with the name of the model's architecture."""
    return next((value for key, value in info.items() if key.endswith(ending) and isinstance(value, int)), 0)
