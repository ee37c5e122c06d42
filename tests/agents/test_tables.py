"""The tables of the service and its migrations."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

import services.agents.__main__  # noqa: F401  # declares every table
from services.agents.schema import metadata
from services.common.database import open_engine


async def test_migrations_give_the_tables(postgres_url: str) -> None:
    engine = open_engine(postgres_url)

    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()

    assert differences == []


def _differences(connection: Connection) -> list[object]:
    def include(name: str | None, kind: str, parents: object) -> bool:
        return kind != "schema" or name == metadata.schema

    options = {"include_schemas": True, "include_name": include, "version_table_schema": metadata.schema}
    context = MigrationContext.configure(connection, opts={**options, "version_table": "schema_version"})
    return list(compare_metadata(context, metadata))
