"""What agents see of files, in Postgres."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Update, delete, false, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from services.agents.folders.open_files import FileView
from services.agents.folders.tables import file_agents, file_contents, files, folders
from services.agents.folders.views import LineRange
from services.agents.paging import Page
from services.agents.store.keyset import cut
from services.common.database import Transaction

VIEW_COLUMNS: tuple[ColumnElement[Any], ...] = (  # Any: of whatever type
    file_agents.c.id,
    file_agents.c.file_id,
    files.c.file_name,
    folders.c.id.label("folder_id"),
    folders.c.name.label("folder_name"),
    file_agents.c.is_open,
    file_agents.c.last_accessed_at,
    file_agents.c.start_line,
    file_agents.c.end_line,
    file_agents.c.visible_content,
)
_NAMES = tuple(FileView.__dataclass_fields__)
_views = (
    select(*VIEW_COLUMNS)
    .select_from(file_agents)
    .join(files, files.c.id == file_agents.c.file_id)
    .join(folders, folders.c.id == files.c.folder_id)
)
_NEW_ID = func.concat("file_agent-", func.gen_random_uuid())
_CLOSED = {"is_open": False, "visible_content": "", "start_line": None, "end_line": None}


class PostgresFileViews:
    """The table of views. Every method runs in the transaction of its caller."""

    async def of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> list[FileView]:
        """One statement."""
        query = _views.where(file_agents.c.agent_id == agent_id, file_agents.c.organization_id == organization_id)
        rows = await tx.execute(query.order_by(files.c.created_at, files.c.id))
        return [read_view(row) for row in rows]

    async def list_page(
        self, tx: Transaction, organization_id: str, agent_id: str, page: Page, *, is_open: bool | None
    ) -> list[FileView]:
        """One statement, and one for each cursor."""
        query = _views.where(file_agents.c.agent_id == agent_id, file_agents.c.organization_id == organization_id)
        if is_open is not None:
            query = query.where(file_agents.c.is_open == is_open)
        sort = file_agents.c.created_at
        query = await cut(tx, query, page, table=file_agents, sort=sort, organization_id=organization_id)
        return [read_view(row) for row in await tx.execute(query)]

    async def add_folder(self, tx: Transaction, organization_id: str, agent_id: str, folder_id: str) -> list[str]:
        """One statement."""
        now = func.clock_timestamp()
        values: dict[str, ColumnElement[Any]] = {  # Any: of whatever type
            "id": _NEW_ID,
            "organization_id": files.c.organization_id,
            "agent_id": literal(agent_id),
            "file_id": files.c.id,
            "created_at": now,
            "is_open": false(),
            "last_accessed_at": now,
            "visible_content": literal(""),
        }
        new = (
            select(*values.values())
            .join(file_contents, file_contents.c.file_id == files.c.id)
            .where(
                files.c.folder_id == folder_id,
                files.c.organization_id == organization_id,
                file_contents.c.text.is_not(None),
            )
            .order_by(files.c.created_at, files.c.id)
        )
        query = (
            insert(file_agents).from_select(list(values), new).on_conflict_do_nothing().returning(file_agents.c.file_id)
        )
        return list((await tx.execute(query)).scalars())

    async def remove_folder(self, tx: Transaction, organization_id: str, agent_id: str, folder_id: str) -> None:
        """One statement."""
        within = select(files.c.id).where(files.c.folder_id == folder_id, files.c.organization_id == organization_id)
        await tx.execute(
            delete(file_agents).where(
                file_agents.c.agent_id == agent_id,
                file_agents.c.organization_id == organization_id,
                file_agents.c.file_id.in_(within),
            )
        )

    async def read_text(self, tx: Transaction, organization_id: str, file_id: str) -> str:
        """One statement."""
        query = select(file_contents.c.text).where(
            file_contents.c.file_id == file_id, file_contents.c.organization_id == organization_id
        )
        return await tx.scalar(query) or ""

    async def show(
        self, tx: Transaction, organization_id: str, view_id: str, content: str, lines: LineRange | None
    ) -> None:
        """One statement."""
        shown = {
            "is_open": True,
            "visible_content": content,
            "start_line": lines.first if lines else None,
            "end_line": lines.last if lines else None,
            "last_accessed_at": func.clock_timestamp(),
        }
        await tx.execute(_of_id(organization_id, view_id).values(shown))

    async def rewrite(self, tx: Transaction, organization_id: str, view_id: str, content: str) -> None:
        """One statement."""
        await tx.execute(_of_id(organization_id, view_id).values(visible_content=content))

    async def touch(self, tx: Transaction, organization_id: str, agent_id: str, file_ids: Sequence[str]) -> None:
        """One statement."""
        used = _of_agent(organization_id, agent_id).where(file_agents.c.file_id.in_(file_ids))
        await tx.execute(used.values(last_accessed_at=func.clock_timestamp()))

    async def close(
        self, tx: Transaction, organization_id: str, agent_id: str, file_ids: Sequence[str] | None = None
    ) -> list[str]:
        """One statement."""
        query = _of_agent(organization_id, agent_id).where(file_agents.c.is_open)
        if file_ids is not None:
            query = query.where(file_agents.c.file_id.in_(file_ids))
        return list((await tx.execute(query.values(_CLOSED).returning(file_agents.c.file_id))).scalars())

    async def close_oldest(self, tx: Transaction, organization_id: str, agent_id: str, kept: int) -> list[str]:
        """One statement."""
        beyond = (
            select(file_agents.c.id)
            .where(
                file_agents.c.agent_id == agent_id,
                file_agents.c.organization_id == organization_id,
                file_agents.c.is_open,
            )
            .order_by(file_agents.c.last_accessed_at.desc(), file_agents.c.id)
            .offset(kept)
        )
        query = _of_agent(organization_id, agent_id).where(file_agents.c.id.in_(beyond))
        return list((await tx.execute(query.values(_CLOSED).returning(file_agents.c.file_id))).scalars())


def _of_agent(organization_id: str, agent_id: str) -> Update:
    return update(file_agents).where(
        file_agents.c.agent_id == agent_id, file_agents.c.organization_id == organization_id
    )


def _of_id(organization_id: str, view_id: str) -> Update:
    return update(file_agents).where(file_agents.c.id == view_id, file_agents.c.organization_id == organization_id)


def read_view(row: Row[Any]) -> FileView:
    """A row with `VIEW_COLUMNS`."""
    return FileView(**{name: row._mapping[name] for name in _NAMES})  # noqa: SLF001  # the row as a dict
