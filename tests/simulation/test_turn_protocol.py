"""The turn protocol under every accident at once. `python -m tests.simulation` plays any number of seeds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.simulation.play import play
from tests.simulation.services import AgentsService, open_agents

SEEDS = range(40)


@pytest.fixture(scope="module")
async def agents(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AgentsService]:
    async with open_agents(postgres_url, Path(tmp_path_factory.mktemp("s"))) as opened:
        yield opened


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_conversation_survives_whatever_happens(agents: AgentsService, seed: int) -> None:
    await play(agents, seed)
