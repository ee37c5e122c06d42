"""The world of the tests of turns."""

from collections.abc import AsyncIterator

import pytest

from tests.agents.turns.world import World, open_world


@pytest.fixture(scope="module")
async def world(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with open_world(postgres_url, tmp_path_factory.mktemp("sockets")) as opened:
        yield opened
