"""How much room the vectors of an organisation take."""

from collections.abc import Sequence
from typing import Protocol

from services.common.caller import Caller
from services.common.database import Database, Transaction

GIGABYTE = 1 << 30  # bytes


class VectorStore(Protocol):
    """Where vectors are kept."""

    async def count_vector_bytes(self, tx: Transaction, organization_id: str) -> int:
        """How many bytes the vectors take."""


class Storage:
    """Measures all vectors: those of archives, and those of files."""

    def __init__(self, database: Database, stores: Sequence[VectorStore]) -> None:
        self._database = database
        self._stores = stores

    async def measure(self, caller: Caller) -> float:
        """The room that vectors take, in gigabytes. One statement for each store."""
        async with self._database.begin() as tx:
            sizes = [await store.count_vector_bytes(tx, caller.organization_id) for store in self._stores]
        return sum(sizes) / GIGABYTE
