"""The tables as declared are the tables that the migrations make."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from services.common.database import open_engine
from services.runs.schema import metadata
from services.runs.tables import runs


async def test_the_schema_is_the_sum_of_its_migrations(postgres_url: str) -> None:
    engine = open_engine(postgres_url)

    async with engine.connect() as connection:
        differences = await connection.run_sync(compare)
    await engine.dispose()

    assert differences == []


def compare(connection: Connection) -> list[object]:
    assert runs.metadata is metadata
    only_ours = {
        "include_schemas": True,
        "version_table_schema": "runs",
        "version_table": "schema_version",
        "include_name": lambda name, kind, _: kind != "schema" or name == "runs",
    }
    return list(compare_metadata(MigrationContext.configure(connection, opts=only_ours), metadata))
