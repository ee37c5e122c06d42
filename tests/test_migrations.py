"""The schema of each service is the sum of its migrations."""

from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData

from services.common.database import open_engine

ROOT = Path(__file__).parents[1]
SERVICES = ("agents", "runs", "tools")


def metadata_of(service: str) -> MetaData:
    """The tables of a service, wherever in it they are written down."""
    for path in sorted((ROOT / "services" / service).rglob("tables.py")):
        tables = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    metadata: MetaData = tables.metadata
    return metadata


@pytest.mark.parametrize("service", SERVICES)
async def test_migrations_make_what_the_tables_say(service: str, postgres_url: str) -> None:
    metadata = metadata_of(service)

    def differences(connection: Connection) -> list[object]:
        options = {
            "include_name": lambda name, kind, _: kind != "schema" or name == service,
            "include_schemas": True,
            "compare_type": True,
            "version_table": "schema_version",
            "version_table_schema": service,
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    engine = open_engine(postgres_url)
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()

    assert found == []
