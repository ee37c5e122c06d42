"""Folders, and which agents have them, in Postgres."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from services.agents.agents.tables import agents
from services.agents.folders.directories import Directory, Shelf
from services.agents.folders.folders import FolderExists
from services.agents.folders.store.views import VIEW_COLUMNS, read_view
from services.agents.folders.tables import file_agents, files, folder_agents, folders
from services.agents.paging import Page
from services.agents.store.keyset import cut
from services.common.database import Transaction
from services.contract.folders import FileStats, Folder, FolderStats, Source

_of_agents = (
    select(folder_agents.c.agent_id, *folders.c)
    .join(folders, folders.c.id == folder_agents.c.folder_id)
    .order_by(folder_agents.c.agent_id, folder_agents.c.attached_at, folders.c.id)
)
_shelves = (
    select(
        agents.c.id.label("owner_id"),
        agents.c.max_files_open,
        agents.c.per_file_view_window_char_limit,
        folders.c.description,
        folders.c.instructions,
        *VIEW_COLUMNS,
    )
    .select_from(folder_agents)
    .join(agents, agents.c.id == folder_agents.c.agent_id)
    .join(folders, folders.c.id == folder_agents.c.folder_id)
    .outerjoin(
        file_agents.join(files, files.c.id == file_agents.c.file_id),
        and_(file_agents.c.agent_id == agents.c.id, files.c.folder_id == folders.c.id),
    )
    .order_by(agents.c.id, folder_agents.c.attached_at, folders.c.id, files.c.created_at, files.c.id)
)


class PostgresFolders:
    """The tables of folders. Every method runs in the transaction of its caller."""

    async def insert(self, tx: Transaction, folder: Folder) -> None:
        """One statement. Raises `FolderExists`."""
        values = folder.model_dump(include=set(folders.c.keys()))
        try:
            await tx.execute(insert(folders).values(values))
        except IntegrityError as exc:
            raise FolderExists(folder.name) from exc

    async def find(self, tx: Transaction, organization_id: str, folder_id: str, *, lock: bool = False) -> Folder | None:
        """One statement."""
        query = select(folders).where(folders.c.id == folder_id, folders.c.organization_id == organization_id)
        row = (await tx.execute(query.with_for_update(key_share=True) if lock else query)).one_or_none()
        return _folder(row) if row else None

    async def find_named(self, tx: Transaction, organization_id: str, name: str) -> Folder | None:
        """One statement."""
        query = select(folders).where(folders.c.name == name, folders.c.organization_id == organization_id)
        row = (await tx.execute(query)).one_or_none()
        return _folder(row) if row else None

    async def list_page(self, tx: Transaction, organization_id: str, page: Page, *, name: str) -> list[Folder]:
        """One statement, and one for each cursor."""
        query = select(*folders.c).where(folders.c.organization_id == organization_id)
        if name:
            query = query.where(folders.c.name == name)
        query = await cut(tx, query, page, table=folders, sort=folders.c.created_at, organization_id=organization_id)
        return [_folder(row) for row in await tx.execute(query)]

    async def list_all(self, tx: Transaction, organization_id: str) -> list[Folder]:
        """One statement."""
        query = select(folders).where(folders.c.organization_id == organization_id)
        return [_folder(row) for row in await tx.execute(query.order_by(folders.c.created_at, folders.c.id))]

    async def count(self, tx: Transaction, organization_id: str) -> int:
        """One statement."""
        query = select(func.count()).select_from(folders).where(folders.c.organization_id == organization_id)
        return int((await tx.execute(query)).scalar_one())

    async def stats(self, tx: Transaction, organization_id: str) -> list[FolderStats]:
        """One statement."""
        query = (
            select(folders.c.id, folders.c.name, files.c.id.label("file_id"), files.c.file_name, files.c.file_size)
            .outerjoin(files, files.c.folder_id == folders.c.id)
            .where(folders.c.organization_id == organization_id)
            .order_by(folders.c.created_at, folders.c.id, files.c.created_at, files.c.id)
        )
        rows = (await tx.execute(query)).all()
        return [_stats(list(group)) for _, group in groupby(rows, lambda row: row.id)]

    async def change(self, tx: Transaction, organization_id: str, folder_id: str, values: Mapping[str, Any]) -> Folder:
        """One statement. Raises `FolderExists`."""
        query = (
            update(folders)
            .where(folders.c.id == folder_id, folders.c.organization_id == organization_id)
            .values(values)
            .returning(*folders.c)
        )
        try:
            return _folder((await tx.execute(query)).one())
        except IntegrityError as exc:
            raise FolderExists(values["name"]) from exc

    async def delete(self, tx: Transaction, organization_id: str, folder_id: str) -> None:
        """One statement."""
        await tx.execute(delete(folders).where(folders.c.id == folder_id, folders.c.organization_id == organization_id))

    async def lock_agents(self, tx: Transaction, organization_id: str, folder_id: str) -> list[str]:
        """One statement. Locked in order, so that who locks many never waits in a circle."""
        query = (
            select(agents.c.id)
            .join(folder_agents, folder_agents.c.agent_id == agents.c.id)
            .where(folder_agents.c.folder_id == folder_id, agents.c.organization_id == organization_id)
            .order_by(agents.c.id)
            .with_for_update(key_share=True, of=agents)
        )
        return list((await tx.execute(query)).scalars())

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[Source]]:
        """One statement."""
        found: dict[str, list[Source]] = {agent_id: [] for agent_id in agent_ids}
        for row in await tx.execute(_of_agents.where(*_given(organization_id, agent_ids))):
            found[row.agent_id].append(Source.model_validate(row._mapping))  # noqa: SLF001  # the row as a dict
        return found

    async def shelves(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> dict[str, Shelf]:
        """One statement."""
        rows: Sequence[Row[Any]] = (await tx.execute(_shelves.where(*_given(organization_id, agent_ids)))).all()
        return {owner: _shelf(list(group)) for owner, group in groupby(rows, lambda row: row.owner_id)}

    async def lock(self, tx: Transaction, organization_id: str, folder_ids: Sequence[str]) -> set[str]:
        """One statement, none for none."""
        query = select(folders.c.id).where(folders.c.id.in_(folder_ids), folders.c.organization_id == organization_id)
        locked = query.order_by(folders.c.id).with_for_update(key_share=True)
        return set((await tx.execute(locked)).scalars()) if folder_ids else set()

    async def attach(self, tx: Transaction, organization_id: str, agent_id: str, folder_ids: Sequence[str]) -> None:
        """One statement, none for none."""
        rows = [
            {
                "organization_id": organization_id,
                "agent_id": agent_id,
                "folder_id": folder_id,
                "attached_at": func.clock_timestamp(),
            }
            for folder_id in folder_ids
        ]
        if rows:
            await tx.execute(insert(folder_agents).values(rows).on_conflict_do_nothing())

    async def detach(self, tx: Transaction, organization_id: str, agent_id: str, folder_id: str) -> bool:
        """One statement."""
        query = delete(folder_agents).where(
            folder_agents.c.agent_id == agent_id,
            folder_agents.c.folder_id == folder_id,
            folder_agents.c.organization_id == organization_id,
        )
        return (await tx.execute(query)).rowcount > 0


def _given(organization_id: str, agent_ids: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    return folder_agents.c.agent_id.in_(agent_ids), folder_agents.c.organization_id == organization_id


def _folder(row: Row[Any]) -> Folder:
    return Folder.model_validate(row._mapping)  # noqa: SLF001  # the row as a dict


def _stats(rows: Sequence[Any]) -> FolderStats:  # Any: rows of one folder, one for each file
    found = [
        FileStats(file_id=row.file_id, file_name=row.file_name, file_size=row.file_size) for row in rows if row.file_id
    ]
    size = sum(file.file_size or 0 for file in found)
    return FolderStats(
        source_id=rows[0].id, source_name=rows[0].name, file_count=len(found), total_size=size, files=found
    )


def _shelf(rows: Sequence[Row[Any]]) -> Shelf:
    directories = [
        Directory(
            name=first.folder_name,
            description=first.description,
            instructions=first.instructions,
            files=[read_view(row) for row in (first, *rest) if row.id],
        )
        for first, *rest in (list(group) for _, group in groupby(rows, lambda row: row.folder_id))
    ]
    return Shelf(rows[0].max_files_open or 0, rows[0].per_file_view_window_char_limit or 0, directories)
