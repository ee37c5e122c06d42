"""OpenAI itself: responses for models that reason, chat completions for the others."""

from collections.abc import AsyncGenerator, Sequence

from services.llm_router.completion import Event, Vector
from services.llm_router.model import EmbeddingModel, ListedModel
from services.llm_router.prompt import Prompt
from services.llm_router.providers.openai_chat import OpenAiChatAdapter
from services.llm_router.providers.openai_client import OpenAiClient
from services.llm_router.providers.openai_responses import respond
from services.llm_router.vendors import ChatDialect


class OpenAiAdapter:
    """OpenAI's two protocols behind one key."""

    def __init__(self, client: OpenAiClient, dialect: ChatDialect) -> None:
        self._client = client
        self._chat = OpenAiChatAdapter(client, dialect)

    def complete(self, prompt: Prompt) -> AsyncGenerator[Sequence[Event], None]:
        """Asks a model."""
        return respond(self._client, prompt) if prompt.model.reasoning else self._chat.complete(prompt)

    async def list_models(self) -> list[ListedModel]:
        """The models on offer."""
        return await self._chat.list_models()

    async def has_model(self, name: str) -> bool:
        """Whether there is such a model."""
        return await self._chat.has_model(name)

    async def embed(self, model: EmbeddingModel, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """One vector for each text."""
        return await self._chat.embed(model, texts)

    async def close(self) -> None:
        """Closes the connections."""
        await self._chat.close()
