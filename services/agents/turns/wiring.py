"""The objects of turns, put together."""

from collections.abc import Callable
from datetime import datetime

from services.agents.archives.embedding import Embedding
from services.agents.memory.calls import MemoryCalls, SystemPrompts
from services.agents.messages.messages import Messages
from services.agents.turns.active import ActiveTurns
from services.agents.turns.admission import Admission
from services.agents.turns.begin import TurnStarter
from services.agents.turns.commit import StepCommitter
from services.agents.turns.compact import TurnCompactor
from services.agents.turns.compact_idle import ConversationCompactor
from services.agents.turns.end import TurnEnder
from services.agents.turns.mending import Mender
from services.agents.turns.reading import Decrypt
from services.agents.turns.rest import WindowOperations
from services.agents.turns.servicer import TurnServicer
from services.agents.turns.shrinking import WindowCompactor
from services.agents.turns.store.active import PostgresActiveTurns
from services.agents.turns.store.approvals import PostgresApprovals
from services.agents.turns.store.mending import PostgresMending
from services.agents.turns.store.turns import PostgresTurns
from services.agents.turns.summaries import Summaries
from services.agents.turns.unanswered import UnansweredRequests
from services.common.database import Database


class TurnParts:
    """Makes them from what the other subjects have."""

    def __init__(
        self, database: Database, messages: Messages, summaries: Summaries, *, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._messages = messages
        self._now = now
        self._store = PostgresTurns()
        self._compactor = WindowCompactor(self._store, messages, summaries, now=now)
        self.unanswered = UnansweredRequests(database, self._store, PostgresApprovals(), messages, now=now)

    def servicer(
        self,
        prompts: SystemPrompts,
        memory: MemoryCalls,
        embedding: Embedding,
        *,
        decrypt: Decrypt,
        approval_expires_s: int,
    ) -> TurnServicer:
        """The turn protocol."""
        database, store, messages, now = self._database, self._store, self._messages, self._now
        admission = Admission(PostgresApprovals(), messages)
        return TurnServicer(
            TurnStarter(database, store, messages, prompts, admission, self.unanswered, decrypt=decrypt, now=now),
            StepCommitter(database, store, messages, memory, embedding, approval_expires_s=approval_expires_s, now=now),
            TurnEnder(database, store, messages, self.unanswered, now=now),
            TurnCompactor(database, store, messages, self._compactor),
            ActiveTurns(database, PostgresActiveTurns(), now=now),
        )

    def operations(self) -> WindowOperations:
        """The REST operations on context windows."""
        mender = Mender(self._database, self._store, PostgresMending(), self._messages)
        return WindowOperations(ConversationCompactor(self._database, self._store, self._compactor), mender)
