"""The agents service on the real Postgres, beside a router and tools that answer by rule."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.agents.service import Api, Service, running


@pytest.fixture(scope="module")
async def service(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder: Path = tmp_path_factory.mktemp("s")
    async with running(postgres_url, folder) as service:
        yield service


@pytest.fixture
def api(service: Service) -> Api:
    return service.api


@pytest.fixture
def older(service: Service) -> Api:
    return service.older
