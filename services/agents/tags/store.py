"""Tags of agents in Postgres."""

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, insert, select

from services.agents.paging import Page
from services.agents.tags.tables import agent_tags
from services.common.database import Transaction


class PostgresTags:
    """The table of tags. Every method runs in the transaction of its caller."""

    async def list_page(self, tx: Transaction, organization_id: str, text: str, page: Page) -> list[str]:
        """The tags that hold a text, whatever the case, by name: one statement. Cursors are tags."""
        tag = agent_tags.c.tag
        query = select(tag).distinct().where(agent_tags.c.organization_id == organization_id)
        if text:
            query = query.where(tag.icontains(text, autoescape=True))
        if page.after:
            query = query.where(tag < page.after if page.descending else tag > page.after)
        if page.before:
            query = query.where(tag > page.before if page.descending else tag < page.before)
        query = query.order_by(tag.desc() if page.descending else tag).limit(page.limit)
        return list((await tx.execute(query)).scalars())

    async def of_agents(self, tx: Transaction, organization_id: str, agent_ids: Sequence[str]) -> dict[str, list[str]]:
        """Each agent's tags by name: one statement."""
        found: dict[str, list[str]] = {agent_id: [] for agent_id in agent_ids}
        query = select(agent_tags.c.agent_id, agent_tags.c.tag).where(
            agent_tags.c.agent_id.in_(agent_ids), agent_tags.c.organization_id == organization_id
        )
        for row in await tx.execute(query.order_by(agent_tags.c.tag)):
            found[row.agent_id].append(row.tag)
        return found

    async def replace(self, tx: Transaction, organization_id: str, agent_id: str, tags: Iterable[str]) -> None:
        """Gives an agent exactly these tags: two statements, one for none."""
        given = agent_tags.c.agent_id == agent_id, agent_tags.c.organization_id == organization_id
        await tx.execute(delete(agent_tags).where(*given))
        rows = [{"organization_id": organization_id, "agent_id": agent_id, "tag": tag} for tag in set(tags)]
        if rows:
            await tx.execute(insert(agent_tags).values(rows))
