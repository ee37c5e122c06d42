"""Blocks in Postgres."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, false, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from services.agents.memory.blocks import BlockChange, BlockChanged, BlockFilter, DuplicateLabel, StoredBlock
from services.agents.memory.tables import agent_blocks, block_history, blocks
from services.agents.paging import Page
from services.agents.store.keyset import cut
from services.common.database import Transaction
from services.contract.blocks import Block

# The public form never shows who made or changed a block.
_FIELDS = tuple(name for name in Block.model_fields if name not in ("created_by_id", "last_updated_by_id"))
_COLUMNS = tuple(blocks.c[name] for name in _FIELDS)
_KEPT = ("version", "organization_id", "label", "value", "limit", "description", "metadata")
_PRESENT = (blocks.c.id, *(blocks.c[name] for name in _KEPT))

_attached = (
    select(func.count())
    .select_from(agent_blocks)
    .where(agent_blocks.c.block_id == blocks.c.id)
    .correlate(blocks)
    .scalar_subquery()
)
_of_agents = (
    select(agent_blocks.c.agent_id, blocks.c.version, *_COLUMNS)
    .join(blocks, blocks.c.id == agent_blocks.c.block_id)
    .order_by(agent_blocks.c.agent_id, agent_blocks.c.position)
)


class PostgresBlocks:
    """The tables of blocks. Every method runs in the transaction of its caller."""

    async def insert(self, tx: Transaction, organization_id: str, user_id: str, new: Sequence[Block]) -> None:
        """One statement, none for no blocks."""
        author = {"organization_id": organization_id, "created_by_id": user_id, "last_updated_by_id": user_id}
        now = func.clock_timestamp()  # blocks of one transaction keep their order
        dates = {"version": 1, "created_at": now, "updated_at": now}
        if new:
            await tx.execute(
                insert(blocks).values([block.model_dump(include=set(_FIELDS)) | author | dates for block in new])
            )

    async def find(
        self, tx: Transaction, organization_id: str, block_ids: Sequence[str], *, lock: bool = False
    ) -> dict[str, StoredBlock]:
        """One statement."""
        query = select(blocks.c.version, *_COLUMNS).where(
            blocks.c.id.in_(block_ids), blocks.c.organization_id == organization_id
        )
        rows = await tx.execute(query.with_for_update(key_share=True) if lock else query)
        return {row.id: _stored(row) for row in rows}

    async def list_page(self, tx: Transaction, organization_id: str, wanted: BlockFilter, page: Page) -> list[Block]:
        """One statement, and one for each cursor."""
        query = select(blocks.c.version, *_COLUMNS).where(*_conditions(organization_id, wanted))
        query = await cut(tx, query, page, table=blocks, sort=blocks.c.created_at, organization_id=organization_id)
        return [_stored(row).block for row in await tx.execute(query)]

    async def count(self, tx: Transaction, organization_id: str, wanted: BlockFilter) -> int:
        """One statement."""
        query = select(func.count()).select_from(blocks).where(*_conditions(organization_id, wanted))
        return int((await tx.execute(query)).scalar_one())

    async def change(
        self, tx: Transaction, organization_id: str, block_id: str, change: BlockChange, *, version: int | None = None
    ) -> StoredBlock:
        """One statement, and one more for a new label. Raises `BlockChanged`, `DuplicateLabel`."""
        conditions = [blocks.c.id == block_id, blocks.c.organization_id == organization_id]
        if version is not None:
            conditions.append(blocks.c.version == version)
        old = select(*_PRESENT).where(*conditions).with_for_update(key_share=True).cte("old")
        replaced = [*old.c, func.now(), literal(change.by)]
        kept = insert(block_history).from_select(
            ["block_id", *_KEPT, "replaced_at", "replaced_by_id"], select(*replaced)
        )
        changed = (
            update(blocks)
            .where(blocks.c.id == old.c.id)
            .values(
                change.values
                | {"version": old.c.version + 1, "updated_at": func.now(), "last_updated_by_id": change.by}
            )
            .returning(blocks.c.version, *_COLUMNS)
            .add_cte(kept.cte("kept"))
        )
        row = (await tx.execute(changed)).one_or_none()
        if row is None:
            raise BlockChanged(f"Block {block_id} was changed by someone else just now.")
        if "label" in change.values:
            await self._relabel(tx, organization_id, block_id, change.values["label"])
        return _stored(row)

    async def _relabel(self, tx: Transaction, organization_id: str, block_id: str, label: str) -> None:
        try:
            await tx.execute(update(agent_blocks).where(*_links(organization_id, block_id)).values(label=label))
        except IntegrityError as exc:
            raise DuplicateLabel(f"An agent with block {block_id} has another block labelled {label!r}.") from exc

    async def delete(self, tx: Transaction, organization_id: str, block_id: str) -> None:
        """One statement."""
        await tx.execute(delete(blocks).where(blocks.c.id == block_id, blocks.c.organization_id == organization_id))

    async def agents_of(self, tx: Transaction, organization_id: str, block_id: str) -> list[str]:
        """One statement."""
        query = select(agent_blocks.c.agent_id).where(*_links(organization_id, block_id))
        return list((await tx.execute(query.order_by(agent_blocks.c.agent_id))).scalars())

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[StoredBlock]]:
        """One statement."""
        found: dict[str, list[StoredBlock]] = {agent_id: [] for agent_id in agent_ids}
        given = agent_blocks.c.agent_id.in_(agent_ids), agent_blocks.c.organization_id == organization_id
        for row in await tx.execute(_of_agents.where(*given)):
            found[row.agent_id].append(_stored(row))
        return found

    async def lock_of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> None:
        """One statement. Locked in order, so that agents which share blocks never wait in a circle."""
        given = agent_blocks.c.agent_id == agent_id, agent_blocks.c.organization_id == organization_id
        query = select(blocks.c.id).join(agent_blocks, agent_blocks.c.block_id == blocks.c.id).where(*given)
        await tx.execute(query.order_by(blocks.c.id).with_for_update(key_share=True, of=blocks))

    async def attach(self, tx: Transaction, organization_id: str, agent_id: str, new: Sequence[Block]) -> None:
        """One statement, none for no blocks. Raises `DuplicateLabel`."""
        if not new:
            return
        last = select(func.coalesce(func.max(agent_blocks.c.position), -1)).where(agent_blocks.c.agent_id == agent_id)
        rows = [
            {
                "organization_id": organization_id,
                "agent_id": agent_id,
                "block_id": block.id,
                "label": block.label,
                "position": last.scalar_subquery() + number,
            }
            for number, block in enumerate(new, 1)
        ]
        try:
            await tx.execute(insert(agent_blocks).values(rows))
        except IntegrityError as exc:
            labels = ", ".join(repr(block.label) for block in new)
            raise DuplicateLabel(f"An agent has one block of each label; {agent_id} has one of {labels}.") from exc

    async def detach(self, tx: Transaction, organization_id: str, agent_id: str, block_id: str) -> bool:
        """One statement."""
        query = delete(agent_blocks).where(agent_blocks.c.agent_id == agent_id, *_links(organization_id, block_id))
        return (await tx.execute(query)).rowcount > 0


def _links(organization_id: str, block_id: str) -> tuple[ColumnElement[bool], ...]:
    return agent_blocks.c.block_id == block_id, agent_blocks.c.organization_id == organization_id


def _stored(row: Row[Any]) -> StoredBlock:
    values = row._mapping  # noqa: SLF001  # the public name of a row's mapping
    return StoredBlock(Block.model_construct(**{name: values[name] for name in _FIELDS}), row.version)


def _conditions(organization_id: str, wanted: BlockFilter) -> list[ColumnElement[bool]]:
    equal = {"label": wanted.label, "template_name": wanted.name, "project_id": wanted.project_id}
    searched = {
        "label": wanted.label_search,
        "description": wanted.description_search,
        "value": wanted.value_search,
    }
    conditions = [blocks.c.organization_id == organization_id]
    conditions += [blocks.c[name] == value for name, value in equal.items() if value]
    conditions += [blocks.c[name].icontains(text, autoescape=True) for name, text in searched.items() if text]
    if wanted.identity_id or wanted.identifier_keys:
        conditions.append(false())  # no block belongs to an identity
    if wanted.templates_only:
        conditions.append(blocks.c.is_template)
    if wanted.tags:
        tags = list(wanted.tags)
        conditions.append(blocks.c.tags.contains(tags) if wanted.match_all_tags else blocks.c.tags.overlap(tags))
    return conditions + _count_conditions(wanted)


def _count_conditions(wanted: BlockFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.more_agents_than is not None:
        conditions.append(_attached > wanted.more_agents_than)
    if wanted.fewer_agents_than is not None:
        conditions.append(_attached < wanted.fewer_agents_than)
    if wanted.agent_counts:
        conditions.append(_attached.in_(list(wanted.agent_counts)))
    return conditions
