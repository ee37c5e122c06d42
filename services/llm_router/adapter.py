"""What every wire protocol of a provider can do."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from services.llm_router.completion import Event, Vector
from services.llm_router.model import EmbeddingModel, ListedModel
from services.llm_router.prompt import Prompt


class Adapter(Protocol):
    """Speaks one wire protocol with one provider. Every method raises `ModelFailure` alone."""

    def complete(self, prompt: Prompt) -> AsyncGenerator[Sequence[Event], None]:
        """Asks a model: what it says, in the batches in which it comes off the network (some of them empty).

        The last event is a `Completion`. Closing the generator closes the provider's socket.
        """

    async def list_models(self) -> list[ListedModel]:
        """The models that the provider names."""

    async def has_model(self, name: str) -> bool:
        """Whether the provider has a model that its list does not name."""

    async def embed(self, model: EmbeddingModel, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """One vector for each of at most `model.batch_size` texts, in order, and the tokens used."""

    async def close(self) -> None:
        """Closes its connections."""
