"""One stack for all attacks; each has its own sequence of random numbers, so that it can be replayed alone."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from random import Random

import pytest

from tests.chaos.arena import Arena, open_arena
from tests.chaos.scale import Scale
from tests.conftest import open_to_postgres

Figures = dict[str, object]


@pytest.fixture(scope="session")
async def shared_arena(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    folder = open_to_postgres(tmp_path_factory.mktemp("chaos")) / "data"
    async with open_arena(folder, Scale.read()) as arena:
        yield arena


@pytest.fixture
async def arena(shared_arena: Arena, request: pytest.FixtureRequest) -> AsyncIterator[Arena]:
    await shared_arena.until_whole()
    await shared_arena.vendors.forget()  # they tell of every request each time that they are asked
    yield replace(shared_arena, random=Random(f"{shared_arena.scale.seed} {request.node.name}"))
    await shared_arena.until_whole()


@pytest.fixture
def figures(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[Figures]:
    """What an attack counted; printed at its end, whether it won or lost."""
    counted: Figures = {"seed": Scale.read().seed}
    yield counted
    with capsys.disabled():
        told = ", ".join(f"{name} {value}" for name, value in counted.items())
        print(f"\n{request.node.name}: {told}")
