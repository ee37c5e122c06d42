"""Archives in Postgres."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from services.agents.archives.archives import ArchiveFilter
from services.agents.archives.tables import archive_agents, archives, passages
from services.agents.paging import Page
from services.agents.store.keyset import Rows, cut
from services.common.database import Transaction
from services.contract.archives import Archive

_FIELDS = tuple(column.name for column in archives.c if column.name != "made_for")
_COLUMNS = tuple(archives.c[name] for name in _FIELDS)
_of_agents = select(*_COLUMNS).join(archive_agents, archive_agents.c.archive_id == archives.c.id)


class PostgresArchives:
    """The tables of archives. Every method runs in the transaction of its caller."""

    async def insert(self, tx: Transaction, archive: Archive) -> None:
        """One statement."""
        await tx.execute(insert(archives).values(archive.model_dump(include=set(_FIELDS))))

    async def make_own(self, tx: Transaction, agent_id: str, archive: Archive) -> None:
        """Two statements, one where the agent had its own. Of two at the same time, the second waits for the first."""
        values = archive.model_dump(include=set(_FIELDS)) | {"made_for": agent_id}
        query = insert(archives).values(values).on_conflict_do_nothing(index_elements=["made_for"])
        if (await tx.execute(query)).rowcount:
            await self.attach(tx, archive.organization_id, agent_id, archive.id)

    async def find(
        self, tx: Transaction, organization_id: str, archive_id: str, *, lock: bool = False
    ) -> Archive | None:
        """One statement."""
        query = select(*_COLUMNS).where(archives.c.id == archive_id, archives.c.organization_id == organization_id)
        row = (await tx.execute(_undeletable(query) if lock else query)).one_or_none()
        return _archive(row) if row else None

    async def list_page(
        self, tx: Transaction, organization_id: str, wanted: ArchiveFilter, page: Page
    ) -> list[Archive]:
        """One statement, and one for each cursor."""
        query = select(*_COLUMNS).where(archives.c.organization_id == organization_id)
        if wanted.name:
            query = query.where(archives.c.name == wanted.name)
        if wanted.agent_id:
            having = select(archive_agents.c.archive_id).where(archive_agents.c.agent_id == wanted.agent_id)
            query = query.where(archives.c.id.in_(having))
        query = await cut(tx, query, page, table=archives, sort=archives.c.created_at, organization_id=organization_id)
        return [_archive(row) for row in await tx.execute(query)]

    async def list_all(self, tx: Transaction, organization_id: str) -> list[Archive]:
        """One statement."""
        query = select(*_COLUMNS).where(archives.c.organization_id == organization_id)
        return [_archive(row) for row in await tx.execute(query)]

    async def of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> list[Archive]:
        """One statement."""
        query = _of_agents.where(
            archive_agents.c.agent_id == agent_id, archives.c.organization_id == organization_id
        ).order_by(archive_agents.c.attached_at, archives.c.id)
        return [_archive(row) for row in await tx.execute(_undeletable(query))]

    async def change(
        self, tx: Transaction, organization_id: str, archive_id: str, values: Mapping[str, Any]
    ) -> Archive | None:
        """One statement."""
        query = (
            update(archives)
            .where(archives.c.id == archive_id, archives.c.organization_id == organization_id)
            .values(values)
            .returning(*_COLUMNS)
        )
        row = (await tx.execute(query)).one_or_none()
        return _archive(row) if row else None

    async def delete(self, tx: Transaction, organization_id: str, archive_id: str) -> bool:
        """One statement."""
        query = delete(archives).where(archives.c.id == archive_id, archives.c.organization_id == organization_id)
        return (await tx.execute(query)).rowcount > 0

    async def count_passages(self, tx: Transaction, organization_id: str, agent_id: str) -> int:
        """How many passages the archives of an agent hold. One statement."""
        query = (
            select(func.count())
            .select_from(passages)
            .join(archive_agents, archive_agents.c.archive_id == passages.c.archive_id)
            .where(archive_agents.c.agent_id == agent_id, passages.c.organization_id == organization_id)
        )
        return int((await tx.execute(query)).scalar_one())

    async def delete_of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> None:
        """Deletes the archive made for an agent, unless others have it too. Two statements."""
        own = archives.c.made_for == agent_id, archives.c.organization_id == organization_id
        await tx.execute(select(archives.c.id).where(*own).with_for_update())  # or it could be attached meanwhile
        shared = exists().where(archive_agents.c.archive_id == archives.c.id, archive_agents.c.agent_id != agent_id)
        await tx.execute(delete(archives).where(*own, ~shared))

    async def attach(self, tx: Transaction, organization_id: str, agent_id: str, archive_id: str) -> None:
        """One statement."""
        values = {"organization_id": organization_id, "agent_id": agent_id, "archive_id": archive_id}
        query = insert(archive_agents).values(values | {"attached_at": func.clock_timestamp()})
        await tx.execute(query.on_conflict_do_nothing())

    async def detach(self, tx: Transaction, organization_id: str, agent_id: str, archive_id: str) -> None:
        """Two statements."""
        ours = archive_agents.c.organization_id == organization_id
        await tx.execute(
            delete(archive_agents).where(
                ours, archive_agents.c.agent_id == agent_id, archive_agents.c.archive_id == archive_id
            )
        )
        await tx.execute(
            update(archives)
            .where(
                archives.c.id == archive_id,
                archives.c.made_for == agent_id,
                archives.c.organization_id == organization_id,
            )
            .values(made_for=None)
        )


def _undeletable(query: Rows) -> Rows:
    """The query, which keeps the archives that it finds from being deleted until the transaction ends."""
    return query.with_for_update(read=True, key_share=True, of=archives)


def _archive(row: Row[Any]) -> Archive:
    return Archive.model_validate(row._mapping)  # noqa: SLF001  # the row as a dict
