"""The tools with which agents use their archival memory."""

from typing import Annotated

from pydantic import BeforeValidator

from services.agents.archives.archival_memory import ArchivalMemory
from services.agents.archives.embedding import Vectors
from services.agents.memory.workbench import CallingAgent
from services.common.call_arguments import CallArguments
from services.common.database import Transaction
from services.contract.passages import ArchivalSearch, CreateArchivalMemory, Moment

_Time = Annotated[Moment | None, BeforeValidator(lambda time: time or None)]


class InsertArguments(CallArguments):
    """Of archival_memory_insert."""

    content: str
    tags: list[str] | None = None


class ArchivalSearchArguments(CallArguments, ArchivalSearch):
    """Of archival_memory_search. An empty time is none."""

    start_datetime: _Time = None
    end_datetime: _Time = None


class ArchivalTools:
    """What an agent writes and looks for, as texts for its model."""

    def __init__(self, memory: ArchivalMemory) -> None:
        self._memory = memory

    async def insert(self, tx: Transaction, agent: CallingAgent, sent: InsertArguments, vectors: Vectors) -> str:
        """Stores a passage and answers "None"."""
        new = CreateArchivalMemory(text=sent.content, tags=sent.tags)
        await self._memory.insert(tx, agent.organization_id, agent.agent_id, new, vectors)
        return str(None)  # as clients know this return

    async def search(self, tx: Transaction, agent: CallingAgent, sent: ArchivalSearch, vectors: Vectors) -> str:
        """The passages that fit best, as the text of a Python list of `{id, timestamp, content, tags}`."""
        hits = await self._memory.search(tx, agent.organization_id, agent.agent_id, sent, vectors)
        return str([hit.model_dump() for hit in hits])
