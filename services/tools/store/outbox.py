"""Changes of tools that the agents service has still to be told of."""

from sqlalchemy import delete, insert, select

from services.common.database import Transaction
from services.tools.tables import outbox

_TAKE = delete(outbox).returning(outbox.c.position, outbox.c.tool_id)
_ORGANIZATIONS = select(outbox.c.organization_id).distinct()


class PostgresOutbox:
    """One statement per method, in the transaction that is given."""

    async def add(self, transaction: Transaction, organization_id: str, tool_id: str) -> None:
        """Notes that a tool changed or went away; in the transaction that does it."""
        await transaction.execute(insert(outbox).values(organization_id=organization_id, tool_id=tool_id))

    async def take(self, transaction: Transaction, organization_id: str) -> list[str]:
        """Removes the notes of an organisation and answers its tools, the first change first.

        Others that take wait until the transaction ends; rolled back, the notes are there again.
        """
        rows = await transaction.execute(_TAKE.where(outbox.c.organization_id == organization_id))
        return list(dict.fromkeys(row.tool_id for row in sorted(rows, key=lambda row: row.position)))

    async def organizations(self, transaction: Transaction) -> list[str]:
        """The organisations that have notes."""
        return list((await transaction.execute(_ORGANIZATIONS)).scalars())
