"""How hard to attack: in full by `make chaos`, for a moment in `make test`."""

import os
from dataclasses import dataclass

import pytest

CONCURRENCY = 30  # runs at once in full

in_full = pytest.mark.skipif(os.environ.get("CHAOS_FULL") != "1", reason="takes long: make chaos")


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
