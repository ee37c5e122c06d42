"""How hard to attack: in full by `make chaos`, for a moment in `make test`."""

import os
from dataclasses import dataclass

CONCURRENCY = 30  # runs at once in full


@dataclass(frozen=True)
class Scale:
    """`seed` decides when and whom; the same seed attacks in the same way."""

    is_full: bool
    seed: int

    @classmethod
    def read(cls) -> "Scale":
        """From CHAOS_FULL and CHAOS_SEED."""
        return cls(os.environ.get("CHAOS_FULL") == "1", int(os.environ.get("CHAOS_SEED", "1")))

    def pick(self, full: int, short: int) -> int:
        """A size for either."""
        return full if self.is_full else short
