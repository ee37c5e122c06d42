"""Tools in Postgres."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from services.common.database import Transaction
from services.contract.tools import Tool
from services.tools.storage import NameTaken, Page, ToolFilter, ToolNotFound
from services.tools.stored_tool import BASE_PREFIX, StoredTool
from services.tools.tables import tools

_FIELDS = tuple(Tool.model_fields)
_READ = select(tools.c.organization_id, tools.c.version, *(tools.c[name] for name in _FIELDS))

_SIMPLE = text("'simple'::regconfig")  # words as they are, in any language
# What a tool is found by: a word in its name counts most.
_TEXT = func.setweight(func.to_tsvector(_SIMPLE, tools.c.name), text("'A'")).op("||")(
    func.to_tsvector(_SIMPLE, func.concat_ws(" ", tools.c.description, func.array_to_string(tools.c.tags, text("' '"))))
)

Record = Row[Any]  # Any: the columns of _READ


class PostgresTools:
    """Tools of organisations, in the transaction that is given. One statement each, unless a method says otherwise."""

    async def insert(self, transaction: Transaction, new: Sequence[StoredTool]) -> list[str]:
        """Adds tools. Answers the names added: those that exist stay as they are."""
        statement = insert(tools).on_conflict_do_nothing(index_elements=["organization_id", "name"])
        rows = [{**_columns(one), "organization_id": one.organization_id} for one in new]
        added = await transaction.execute(statement.values(rows).returning(tools.c.name))
        return list(added.scalars())

    async def update(self, transaction: Transaction, changed: StoredTool) -> None:
        """Stores a new version. Raises `NameTaken`."""
        statement = update(tools).where(_owned(changed.organization_id), tools.c.id == changed.tool.id)
        try:
            await transaction.execute(statement.values(**_columns(changed), updated_at=func.now()))
        except IntegrityError as exc:
            raise NameTaken(f"There is another tool with the name {changed.name!r}.") from exc

    async def delete(self, transaction: Transaction, organization_id: str, tool_id: str) -> None:
        """Deletes a tool. Raises `ToolNotFound`."""
        statement = delete(tools).where(_owned(organization_id), tools.c.id == tool_id).returning(tools.c.id)
        if (await transaction.execute(statement)).first() is None:
            raise _missing(tool_id)

    async def get(
        self, transaction: Transaction, organization_id: str, tool_id: str, *, lock: bool = False
    ) -> StoredTool:
        """One tool, locked until the transaction ends when asked. Raises `ToolNotFound`."""
        statement = _READ.where(_owned(organization_id), tools.c.id == tool_id)
        row = (await transaction.execute(statement.with_for_update() if lock else statement)).first()
        if row is None:
            raise _missing(tool_id)
        return _stored(row)

    async def lock_named(self, transaction: Transaction, organization_id: str, name: str) -> StoredTool | None:
        """The tool of that name, locked until the transaction ends."""
        statement = _READ.where(_owned(organization_id), tools.c.name == name).with_for_update()
        row = (await transaction.execute(statement)).first()
        return _stored(row) if row else None

    async def find(
        self, transaction: Transaction, organization_id: str, *, ids: Sequence[str] = (), names: Sequence[str] = ()
    ) -> list[StoredTool]:
        """The tools with one of the ids or names, in no order."""
        wanted = tools.c.id.in_(ids) | tools.c.name.in_(names)
        rows = await transaction.execute(_READ.where(_owned(organization_id), wanted))
        return [_stored(row) for row in rows]

    async def find_names(self, transaction: Transaction, organization_id: str, names: Sequence[str]) -> set[str]:
        """Those of the names that tools have."""
        statement = select(tools.c.name).where(_owned(organization_id), tools.c.name.in_(names))
        return set((await transaction.execute(statement)).scalars())

    async def list(
        self, transaction: Transaction, organization_id: str, wanted: ToolFilter, page: Page
    ) -> list[StoredTool]:
        """A page of tools, in the order in which they were made or match. Raises `ToolNotFound` for a cursor.

        One statement more per cursor.
        """
        conditions = _conditions(organization_id, wanted)
        earlier, later = (page.after, page.before) if page.descending else (page.before, page.after)
        if earlier:
            conditions.append(tools.c.position < await self._position(transaction, organization_id, earlier))
        if later:
            conditions.append(tools.c.position > await self._position(transaction, organization_id, later))
        order = tools.c.position.desc() if page.descending else tools.c.position
        best = [func.ts_rank(_TEXT, _any_of(wanted.words)).desc()] if wanted.words else []
        rows = await transaction.execute(_READ.where(*conditions).order_by(*best, order).limit(page.limit))
        return [_stored(row) for row in rows]

    async def count(self, transaction: Transaction, organization_id: str, wanted: ToolFilter) -> int:
        """How many tools there are."""
        statement = select(func.count()).select_from(tools).where(*_conditions(organization_id, wanted))
        return (await transaction.execute(statement)).scalar_one()

    async def _position(self, transaction: Transaction, organization_id: str, tool_id: str) -> int:
        statement = select(tools.c.position).where(_owned(organization_id), tools.c.id == tool_id)
        position: int | None = (await transaction.execute(statement)).scalar()
        if position is None:
            raise _missing(tool_id)
        return position


def _owned(organization_id: str) -> ColumnElement[bool]:
    return tools.c.organization_id == organization_id


def _any_of(words: Sequence[str]) -> ColumnElement[Any]:  # Any: a tsquery
    return func.to_tsquery(_SIMPLE, " | ".join(f"{word}:*" for word in words))


def _conditions(organization_id: str, wanted: ToolFilter) -> list[ColumnElement[bool]]:
    is_base = tools.c.tool_type.startswith(BASE_PREFIX, autoescape=True)
    asked = [
        (wanted.name, tools.c.name == wanted.name),
        (wanted.names, tools.c.name.in_(wanted.names)),
        (wanted.tool_ids, tools.c.id.in_(wanted.tool_ids)),
        (wanted.search, tools.c.name.icontains(wanted.search, autoescape=True)),
        (wanted.tool_types, tools.c.tool_type.in_(wanted.tool_types)),
        (wanted.exclude_tool_types, tools.c.tool_type.not_in(wanted.exclude_tool_types)),
        (wanted.tags, tools.c.tags.bool_op("&&")(literal(list(wanted.tags), tools.c.tags.type))),
        (wanted.words, _TEXT.bool_op("@@")(_any_of(wanted.words))),
        (wanted.only_base, is_base),
        (wanted.without_base, ~is_base),
    ]
    return [_owned(organization_id), *(condition for is_asked, condition in asked if is_asked)]


def _columns(stored: StoredTool) -> dict[str, Any]:  # Any: the values of the columns
    return {**stored.tool.model_dump(), "version": stored.version}


def _stored(row: Record) -> StoredTool:
    record = row._asdict()
    return StoredTool(record.pop("organization_id"), record.pop("version"), Tool.model_validate(record))


def _missing(tool_id: str) -> ToolNotFound:
    return ToolNotFound(f"The tool {tool_id} does not exist.")
