"""Which tools agents have, in Postgres."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents.tables import agent_tools
from services.common.database import Transaction

_of_agents = select(agent_tools.c.agent_id, agent_tools.c.definition).order_by(
    agent_tools.c.agent_id, agent_tools.c.position
)


class PostgresAgentTools:
    """The table of agents' tools. Every method runs in the transaction of its caller."""

    async def of_agents(
        self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]
    ) -> dict[str, list[ToolDefinition]]:
        """Each agent's tools in their order: one statement."""
        found: dict[str, list[ToolDefinition]] = {agent_id: [] for agent_id in agent_ids}
        for row in await tx.execute(_of_agents.where(_ours(organization_id), agent_tools.c.agent_id.in_(agent_ids))):
            found[row.agent_id].append(ToolDefinition.FromString(row.definition))
        return found

    async def attach(
        self, tx: Transaction, organization_id: str, agent_id: str, tools: Sequence[ToolDefinition]
    ) -> list[ToolDefinition]:
        """Gives tools to an agent, after those it has; one that it has stays as it is. Those that are new to it.

        One statement, none for no tools.
        """
        if not tools:
            return []
        last = select(func.coalesce(func.max(agent_tools.c.position), -1)).where(agent_tools.c.agent_id == agent_id)
        rows = [
            {
                "organization_id": organization_id,
                "agent_id": agent_id,
                "tool_id": tool.id,
                "position": last.scalar_subquery() + number,
                "name": tool.name,
                "version": tool.version,
                "definition": tool.SerializeToString(),
            }
            for number, tool in enumerate(tools, 1)
        ]
        adding = insert(agent_tools).values(rows).on_conflict_do_nothing().returning(agent_tools.c.tool_id)
        new = set(await tx.scalars(adding))
        return [tool for tool in tools if tool.id in new]

    async def detach(self, tx: Transaction, organization_id: str, agent_id: str, tool_id: str) -> None:
        """Takes a tool from an agent: one statement."""
        await tx.execute(delete(agent_tools).where(_is_given(organization_id, agent_id, tool_id)))

    async def detach_others(self, tx: Transaction, organization_id: str, agent_id: str, kept: Sequence[str]) -> None:
        """Takes all tools from an agent but these: one statement."""
        of_agent = agent_tools.c.agent_id == agent_id
        await tx.execute(
            delete(agent_tools).where(_ours(organization_id), of_agent, agent_tools.c.tool_id.not_in(kept))
        )

    async def waive_approval(
        self, tx: Transaction, organization_id: str, agent_id: str, tool_id: str, *, waived: bool
    ) -> None:
        """Says whether an agent calls a tool without the approval that the tool asks for by default. One statement."""
        given = _is_given(organization_id, agent_id, tool_id)
        await tx.execute(update(agent_tools).where(given).values(approval_waived=waived))

    async def find_renamed(
        self, tx: Transaction, organization_id: str, changed: Sequence[ToolDefinition]
    ) -> list[tuple[str, str, str]]:
        """Agents with a tool that has another name now: its old and its new name. One statement."""
        names = {tool.id: tool.name for tool in changed}
        query = select(agent_tools.c.agent_id, agent_tools.c.tool_id, agent_tools.c.name)
        having = _ours(organization_id), agent_tools.c.tool_id.in_(names)
        rows = await tx.execute(query.where(*having).order_by(agent_tools.c.agent_id))
        return [(row.agent_id, row.name, names[row.tool_id]) for row in rows if row.name != names[row.tool_id]]

    async def apply_changes(
        self, tx: Transaction, organization_id: str, changed: Sequence[ToolDefinition], deleted: Sequence[str]
    ) -> None:
        """Takes newer definitions over into every agent, and deleted tools away: one statement a tool and one more."""
        ours = _ours(organization_id)
        for tool in sorted(changed, key=lambda tool: tool.id):
            await tx.execute(
                update(agent_tools)
                .where(ours, agent_tools.c.tool_id == tool.id, agent_tools.c.version < literal(tool.version))
                .values(name=tool.name, version=tool.version, definition=tool.SerializeToString())
            )
        if deleted:
            await tx.execute(delete(agent_tools).where(ours, agent_tools.c.tool_id.in_(deleted)))


def _ours(organization_id: str) -> ColumnElement[bool]:
    return agent_tools.c.organization_id == organization_id


def _is_given(organization_id: str, agent_id: str, tool_id: str) -> ColumnElement[bool]:
    return and_(_ours(organization_id), agent_tools.c.agent_id == agent_id, agent_tools.c.tool_id == tool_id)
