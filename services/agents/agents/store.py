"""Agents in Postgres."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, false, func, insert, select, update

from services.agents.agents.filter import AgentFilter
from services.agents.agents.tables import agents
from services.agents.archives.tables import archive_agents
from services.agents.folders.tables import folder_agents
from services.agents.memory.system_prompts import PromptedAgent
from services.agents.memory.tables import agent_blocks
from services.agents.paging import Page
from services.agents.store.keyset import cut
from services.agents.tags.tables import agent_tags
from services.common.database import Transaction
from services.contract.agents import AgentState

_FIELDS = tuple(column.name for column in agents.c if column.name != "organization_id")
_COLUMNS = tuple(agents.c[name] for name in _FIELDS)
_NEVER = func.to_timestamp(0)  # stands for the last run of agents that have not run: they sort as the oldest
_SORTS: dict[str, ColumnElement[Any]] = {  # Any: of whatever type
    "created_at": agents.c.created_at,
    "updated_at": agents.c.updated_at,
    "last_run_completion": func.coalesce(agents.c.last_run_completion, _NEVER),
}
_prompted = select(agents.c.id, agents.c.system, agents.c.model, agents.c.timezone, agents.c.tool_rules)


class PostgresAgents:
    """The table of agents. Every method runs in the transaction of its caller; agents come without their relations."""

    async def insert(self, tx: Transaction, organization_id: str, agent: AgentState) -> None:
        """One statement."""
        values = agent.model_dump(include=set(_FIELDS)) | {"organization_id": organization_id}
        await tx.execute(insert(agents).values(values))

    async def find(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str], *, lock: bool = False
    ) -> dict[str, AgentState]:
        """One statement."""
        query = select(*_COLUMNS).where(agents.c.id.in_(agent_ids), agents.c.organization_id == organization_id)
        rows = await tx.execute(query.with_for_update(key_share=True) if lock else query)
        return {row.id: _state(row) for row in rows}

    async def list_page(
        self, tx: Transaction, organization_id: str, wanted: AgentFilter, page: Page, order_by: str
    ) -> list[AgentState]:
        """One statement, and one for each cursor."""
        query = select(*_COLUMNS).where(*_conditions(organization_id, wanted))
        sort = _SORTS[order_by]
        query = await cut(tx, query, page, table=agents, sort=sort, organization_id=organization_id)
        return [_state(row) for row in await tx.execute(query)]

    async def count(self, tx: Transaction, organization_id: str, wanted: AgentFilter) -> int:
        """One statement."""
        query = select(func.count()).select_from(agents).where(*_conditions(organization_id, wanted))
        return int((await tx.execute(query)).scalar_one())

    async def change(self, tx: Transaction, organization_id: str, agent_id: str, values: Mapping[str, Any]) -> None:
        """One statement."""
        await tx.execute(
            update(agents)
            .where(agents.c.id == agent_id, agents.c.organization_id == organization_id)
            .values({**values, "updated_at": func.now()})
        )

    async def delete(self, tx: Transaction, organization_id: str, agent_id: str) -> bool:
        """One statement."""
        query = delete(agents).where(agents.c.id == agent_id, agents.c.organization_id == organization_id)
        return (await tx.execute(query)).rowcount > 0

    async def read_prompted(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> list[PromptedAgent]:
        """One statement."""
        query = _prompted.where(agents.c.id.in_(agent_ids), agents.c.organization_id == organization_id)
        return [PromptedAgent(**row._mapping) for row in await tx.execute(query)]  # noqa: SLF001  # the row as a dict


def _state(row: Row[Any]) -> AgentState:
    relations: dict[str, list[Any]] = {"blocks": [], "tools": [], "sources": [], "tags": []}
    memory = {"agent_type": row.agent_type, "blocks": []}
    return AgentState.model_validate({**row._mapping, **relations, "memory": memory})  # noqa: SLF001  # the row as a dict


def _conditions(organization_id: str, wanted: AgentFilter) -> list[ColumnElement[bool]]:
    equal = {
        "name": wanted.name,
        "project_id": wanted.project_id,
        "template_id": wanted.template_id,
        "base_template_id": wanted.base_template_id,
        "last_stop_reason": wanted.last_stop_reason,
        "created_by_id": wanted.created_by_id,
    }
    conditions = [agents.c.organization_id == organization_id]
    conditions += [agents.c[name] == value for name, value in equal.items() if value]
    if wanted.query_text:
        conditions.append(agents.c.name.icontains(wanted.query_text, autoescape=True))
    if wanted.identity_id or wanted.identifier_keys:
        conditions.append(false())  # no agent belongs to an identity
    if wanted.block_id:
        having = select(agent_blocks.c.agent_id).where(agent_blocks.c.block_id == wanted.block_id)
        conditions.append(agents.c.id.in_(having))
    if wanted.archive_id:
        having = select(archive_agents.c.agent_id).where(archive_agents.c.archive_id == wanted.archive_id)
        conditions.append(agents.c.id.in_(having))
    if wanted.folder_id:
        having = select(folder_agents.c.agent_id).where(folder_agents.c.folder_id == wanted.folder_id)
        conditions.append(agents.c.id.in_(having))
    if wanted.tags:
        conditions.append(_tagged(organization_id, wanted.tags, match_all=wanted.match_all_tags))
    if wanted.some_tags:
        conditions.append(_tagged(organization_id, wanted.some_tags, match_all=False))
    return conditions


def _tagged(organization_id: str, tags: Collection[str], *, match_all: bool) -> ColumnElement[bool]:
    different = set(tags)
    tagged = select(agent_tags.c.agent_id).where(
        agent_tags.c.organization_id == organization_id, agent_tags.c.tag.in_(different)
    )
    if match_all:
        tagged = tagged.group_by(agent_tags.c.agent_id).having(func.count() == len(different))
    return agents.c.id.in_(tagged)
