"""Active turns in Postgres."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from services.agents.turns.active import ActiveTurn
from services.agents.turns.tables import turns
from services.agents.turns.turn import TurnState
from services.common.database import Transaction


class PostgresActiveTurns:
    """Turns that hold their conversations, of all organisations."""

    async def list_active(self, tx: Transaction, before: datetime, after: str, limit: int) -> Sequence[ActiveTurn]:
        """One statement."""
        query = (
            select(turns.c.organization_id, turns.c.run_id, turns.c.conversation_id)
            .where(turns.c.state == TurnState.ACTIVE, turns.c.begun_at <= before, turns.c.run_id > after)
            .order_by(turns.c.run_id)
            .limit(limit)
        )
        return [ActiveTurn(*row) for row in await tx.execute(query)]
