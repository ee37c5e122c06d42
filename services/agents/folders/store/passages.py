"""The pieces of files, ranked in Postgres."""

from collections.abc import Sequence

from sqlalchemy import func, select

from services.agents.archives.search import Hit, Question, Ranking
from services.agents.archives.store.ranking import score_by
from services.agents.folders.tables import file_passages
from services.common.database import Transaction


class PostgresFilePassages:
    """The table of pieces. Every method runs in the transaction of its caller."""

    async def rank(
        self, tx: Transaction, organization_id: str, within: Sequence[str], question: Question, ranking: Ranking
    ) -> list[Hit]:
        """The pieces of the folders with these ids that fit the words of a question, best first. One statement."""
        score, conditions = score_by(ranking, file_passages.c.embedding, file_passages.c.text)
        query = (
            select(file_passages.c.id, file_passages.c.text, file_passages.c.created_at, score.label("score"))
            .where(file_passages.c.folder_id.in_(within), file_passages.c.organization_id == organization_id)
            .where(*conditions)
            .order_by(score.desc(), file_passages.c.created_at.desc(), file_passages.c.id)
            .limit(question.limit)
        )
        return [Hit(row.id, row.text, (), row.created_at, row.score) for row in await tx.execute(query)]

    async def file_ids(self, tx: Transaction, organization_id: str, passage_ids: Sequence[str]) -> dict[str, str]:
        """The ids of the files that pieces are of, by the ids of the pieces. One statement."""
        query = select(file_passages.c.id, file_passages.c.file_id).where(
            file_passages.c.id.in_(passage_ids), file_passages.c.organization_id == organization_id
        )
        return {row.id: row.file_id for row in await tx.execute(query)}

    async def count_vector_bytes(self, tx: Transaction, organization_id: str) -> int:
        """One statement."""
        query = select(func.sum(func.pg_column_size(file_passages.c.embedding)))
        return int(await tx.scalar(query.where(file_passages.c.organization_id == organization_id)) or 0)
