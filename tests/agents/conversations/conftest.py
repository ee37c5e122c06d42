"""The world of the tests of turns serves here too."""

from tests.agents.turns.conftest import world

__all__ = ["world"]
