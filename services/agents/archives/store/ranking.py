"""How well a passage fits, as an expression over its columns."""

from collections.abc import Sequence

from sqlalchemy import Column, ColumnElement, func, literal
from sqlalchemy import text as sql

from services.agents.archives.search import Near, Newest, Ranking, Worded

_SIMPLE = sql("'simple'::regconfig")


def score_by(
    ranking: Ranking, embedding: Column[object], text: Column[str]
) -> tuple[ColumnElement[float], Sequence[ColumnElement[bool]]]:
    """How well a passage fits, and what it must have to fit at all."""
    match ranking:
        case Near(vector):
            angle = 1 - embedding.cosine_distance(vector)
            return func.coalesce(func.nullif(angle, sql("'NaN'")), 0.0), ()  # a vector of zeros has no direction
        case Worded(words):
            indexed = func.to_tsvector(_SIMPLE, text)
            query = func.to_tsquery(_SIMPLE, " | ".join(f"{word}:*" for word in words))
            return func.ts_rank(indexed, query), (indexed.bool_op("@@")(query),)
        case Newest():
            return literal(0.0), ()
