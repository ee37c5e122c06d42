"""What is looked for among passages, and how what is found is ranked."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice, zip_longest
from typing import Protocol, TypeAlias

from services.agents.archives.embedding import Vector, Vectors, handle_of
from services.common.database import Transaction
from services.common.errors import PerdureError
from services.contract.model_configs import EmbeddingConfig
from services.contract.passages import TagMatchMode

DEFAULT_RESULTS = 10
log = logging.getLogger(__name__)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Question:
    """What is looked for. No words: the newest passages. No tags: whatever the tags. Both dates count."""

    words: str
    limit: int = DEFAULT_RESULTS
    tags: Sequence[str] = ()
    tag_match_mode: TagMatchMode = "any"
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Near:
    """Ranks by the cosine of the angle to a vector."""

    vector: Vector


@dataclass(frozen=True)
class Worded:
    """Ranks by how often the words occur; each stands for the longer ones that begin with it, any is enough."""

    words: Sequence[str]


@dataclass(frozen=True)
class Newest:
    """Ranks by time."""


Ranking: TypeAlias = Near | Worded | Newest


@dataclass(frozen=True)
class Hit:
    """A passage that was found. The score is larger the better it fits, and compares within one ranking only."""

    passage_id: str
    text: str
    tags: Sequence[str]
    created_at: datetime
    score: float


class Collection(Protocol):
    """What holds passages: an archive, or a folder with files."""

    id: str
    embedding_config: EmbeddingConfig | None


class RankedPassages(Protocol):
    """Where passages are looked for."""

    async def rank(
        self, tx: Transaction, organization_id: str, within: Sequence[str], question: Question, ranking: Ranking
    ) -> list[Hit]:
        """The passages of the collections with these ids that fit the question, best first."""


async def find_passages(
    tx: Transaction,
    store: RankedPassages,
    organization_id: str,
    *,
    within: Sequence[Collection],
    question: Question,
    vectors: Vectors,
) -> list[Hit]:
    """The passages that fit best: one statement for each embedding model of the collections, and for those without.

    Scores of different models do not compare, so their results are merged by rank: all firsts, all seconds, and so on.
    Raises `VectorsMissing`.
    """
    rankings = list(_rankings(organization_id, within, question, vectors))
    ranked = [await store.rank(tx, organization_id, ids, question, ranking) for ids, ranking in rankings]
    hits = (hit for hit in chain.from_iterable(zip_longest(*ranked)) if hit is not None)
    return list(islice(hits, question.limit))


def _rankings(
    organization_id: str, within: Sequence[Collection], question: Question, vectors: Vectors
) -> Iterator[tuple[list[str], Ranking]]:
    """The ids of collections that can be ranked together, and how."""
    groups: dict[tuple[str, int] | None, list[Collection]] = {}
    for collection in within:
        config = collection.embedding_config if question.words else None
        key = (handle_of(config), config.embedding_dim) if config else None
        groups.setdefault(key, []).append(collection)
    for group in groups.values():
        ids = [collection.id for collection in group]
        yield ids, _choose(organization_id, group[0], question.words, vectors)


def _choose(organization_id: str, collection: Collection, words: str, vectors: Vectors) -> Ranking:
    """The ranking of a collection. Where its model fails, passages can still be found by their words."""
    if not words:
        return Newest()
    try:
        [vector] = vectors.of(organization_id, collection.embedding_config, [words])
    except PerdureError as failure:
        log.warning("%s is searched by words: %s", collection.id, failure)
        vector = None
    return Worded(_WORD.findall(words)) if vector is None else Near(vector)
