"""The archival memory of one agent: what its tools and its user write to it and find in it."""

from services.agents.agents.agents import Agents
from services.agents.archives import archives, passages
from services.agents.archives.archives import make_own_archive
from services.agents.archives.embedding import Vectors
from services.agents.archives.passages import write_passages
from services.agents.archives.search import DEFAULT_RESULTS, Hit, Question, find_passages
from services.agents.moments import print_local, read_moment
from services.common.database import Transaction
from services.contract.passages import ArchivalHit, ArchivalSearch, CreateArchivalMemory


class ArchivalMemory:
    """The passages of agents, inside a transaction of the caller's. Vectors must be known beforehand."""

    def __init__(self, archives: archives.Store, passages: passages.Store, agents: Agents) -> None:
        self._archives = archives
        self._passages = passages
        self._agents = agents

    async def insert(
        self, tx: Transaction, organization_id: str, agent_id: str, new: CreateArchivalMemory, vectors: Vectors
    ) -> list[str]:
        """Adds a passage to the agent's first archive, which is made where there is none; the passage's id.

        Three statements, six with a new archive. Raises `AgentNotFound` and what `Vectors.of` raises.
        """
        agent = await self._agents.find(tx, organization_id, agent_id)
        found = await self._archives.of_agent(tx, organization_id, agent_id)
        if not found:
            await self._archives.make_own(tx, agent_id, make_own_archive(organization_id, agent))
            found = await self._archives.of_agent(tx, organization_id, agent_id)
        return await write_passages(tx, self._passages, found[0], agent.created_by_id, [new], vectors)

    async def search(
        self, tx: Transaction, organization_id: str, agent_id: str, sent: ArchivalSearch, vectors: Vectors
    ) -> list[ArchivalHit]:
        """What fits best of the agent's passages. Raises `AgentNotFound`, `VectorsMissing`."""
        agent = await self._agents.find(tx, organization_id, agent_id)
        timezone = agent.timezone or "UTC"
        question = Question(
            words=sent.query,
            limit=sent.top_k or DEFAULT_RESULTS,
            tags=sent.tags or (),
            tag_match_mode=sent.tag_match_mode,
            since=read_moment(sent.start_datetime, end_of_day=False, timezone=timezone),
            until=read_moment(sent.end_datetime, end_of_day=True, timezone=timezone),
        )
        found = await self._archives.of_agent(tx, organization_id, agent_id)
        hits = await find_passages(
            tx, self._passages, organization_id, within=found, question=question, vectors=vectors
        )
        return [_show(hit, timezone) for hit in hits]


def _show(hit: Hit, timezone: str) -> ArchivalHit:
    timestamp = print_local(hit.created_at, timezone)
    return ArchivalHit(id=hit.passage_id, timestamp=timestamp, content=hit.text, tags=list(hit.tags))
