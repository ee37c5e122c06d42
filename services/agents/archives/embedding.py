"""Vectors of texts, made between transactions: no transaction waits for a model.

Work inside a transaction takes vectors from `Vectors`. Where some are not there yet it gives up with `VectorsMissing`;
`Embedding.run` makes them and starts the work again.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from services.common.errors import Conflict, PerdureError
from services.contract.model_configs import EmbeddingConfig

Vector: TypeAlias = Sequence[float]
Result = TypeVar("Result")


class Wanted(NamedTuple):
    """A text to embed, and the handle of the model that does it."""

    organization_id: str
    handle: str
    text: str


class VectorsMissing(Exception):
    """These texts have no vectors yet."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        super().__init__()
        self.wanted = frozenset(wanted)


class WrongDimensions(Conflict):
    """The model no longer gives vectors like those that the archive holds."""

    reason = "WRONG_DIMENSIONS"


class Vectors:
    """The vectors known so far, and the failures of models that could not make them."""

    def __init__(self) -> None:
        self._known: dict[Wanted, Vector | PerdureError] = {}

    def add(self, wanted: Iterable[Wanted], made: Iterable[Vector | PerdureError]) -> None:
        """Takes in what a model made of texts."""
        self._known.update(zip(wanted, made, strict=True))

    def of(self, organization_id: str, config: EmbeddingConfig | None, texts: Sequence[str]) -> Sequence[Vector | None]:
        """The vector of each text, None where there is no model to make one; all zeros for an empty text.

        Raises `VectorsMissing`, `WrongDimensions`, and the failure of the model.
        """
        if config is None:
            return [None] * len(texts)
        wanted = [Wanted(organization_id, handle_of(config), text) for text in texts]
        if missing := [one for one in wanted if one.text and one not in self._known]:
            raise VectorsMissing(missing)
        return [self._checked(one, config) if one.text else [0.0] * config.embedding_dim for one in wanted]

    def _checked(self, wanted: Wanted, config: EmbeddingConfig) -> Vector:
        vector = self._known[wanted]
        if isinstance(vector, PerdureError):
            raise vector
        if len(vector) != config.embedding_dim:
            raise WrongDimensions(
                f"{wanted.handle} made a vector of {len(vector)} numbers; the archive holds {config.embedding_dim}.",
                should_retry=False,
            )
        return vector


class Embedder(Protocol):
    """Where vectors come from."""

    async def embed(self, organization_id: str, handle: str, texts: Sequence[str]) -> Sequence[Vector]:
        """A vector for each text. Raises what LlmRouterService.Embed raises."""


class Embedding:
    """Runs work that needs vectors."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def run(self, work: Callable[[Vectors], Awaitable[Result]]) -> Result:
        """The result of the work, which opens its own transaction and may be started several times.

        Ends, because each start knows more vectors, or failures, than the one before.
        """
        vectors = Vectors()
        while True:
            try:
                return await work(vectors)
            except VectorsMissing as missing:
                await self._make(missing.wanted, vectors)

    async def _make(self, wanted: Iterable[Wanted], vectors: Vectors) -> None:
        for (organization_id, handle), group in groupby(sorted(wanted), lambda one: one[:2]):
            batch = list(group)
            try:
                made = await self._embedder.embed(organization_id, handle, [one.text for one in batch])
            except PerdureError as failure:
                vectors.add(batch, [failure] * len(batch))
            else:
                vectors.add(batch, made)


def handle_of(config: EmbeddingConfig) -> str:
    """The handle of an embedding model, also where only its older form is known."""
    return config.handle or f"{config.embedding_endpoint_type}/{config.embedding_model}"
