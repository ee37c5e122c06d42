"""The world of the tests of turns serves here too."""

import pytest

from services.agents.conversations.rest import ConversationOperations
from tests.agents.conversations.operations import open_operations
from tests.agents.turns.conftest import world
from tests.agents.turns.world import World

__all__ = ["world"]


@pytest.fixture(name="operations", scope="module")
def make_operations(world: World) -> ConversationOperations:  # the fixture
    return open_operations(world)
