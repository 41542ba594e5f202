"""Cleaning of tables after tests, including tables with circular foreign keys."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from undercroft.testing.servers import Servers
from undercroft.testing.tables import TableCleaner

FARM = """
    CREATE TABLE hens (id int PRIMARY KEY);
    CREATE TABLE eggs (id int PRIMARY KEY, hen int NOT NULL REFERENCES hens);
    ALTER TABLE hens ADD COLUMN egg int REFERENCES eggs;
    CREATE TABLE breeds (name text PRIMARY KEY);
    INSERT INTO breeds VALUES ('leghorn');
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = 'insufficient_privilege'; END $$;
    CREATE TRIGGER append_only BEFORE TRUNCATE ON eggs FOR EACH STATEMENT EXECUTE FUNCTION refuse();
"""


@pytest.fixture(params=["superuser", "owner"])
async def url(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[str]:
    """A schema for this test, once per role that can clean it."""
    name = f"{servers.template}_farm_{request.param}"
    async with servers.create_database(name):
        url = servers.with_database(servers.manager_url if request.param == "superuser" else servers.owner_url, name)
        farmer = await asyncpg.connect(url)
        await farmer.execute(FARM)
        await farmer.close()
        yield url


async def test_rows_with_circular_references_are_deleted_and_migration_rows_restored(url: str):
    connection = await asyncpg.connect(url)
    tables = TableCleaner(connection)
    await tables.open()
    farmer = await asyncpg.connect(url)
    await farmer.execute("INSERT INTO hens VALUES (1); INSERT INTO eggs VALUES (1, 1); UPDATE hens SET egg = 1")
    await farmer.execute("UPDATE breeds SET name = 'other'")

    await tables.clean()

    assert await farmer.fetchval("SELECT (SELECT count(*) FROM hens) + (SELECT count(*) FROM eggs)") == 0
    assert await farmer.fetchval("SELECT name FROM breeds") == "leghorn"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await farmer.execute("TRUNCATE eggs CASCADE")
    await farmer.close()
    await connection.close()
