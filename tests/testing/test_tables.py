"""Tests leave nothing behind, whatever tables point at each other."""

import asyncpg
import pytest

from undercroft.testing.tables import Tables


@pytest.fixture
async def owner(owner_url: str):
    connection = await asyncpg.connect(owner_url)
    await connection.execute("""
        CREATE TABLE hens (id int PRIMARY KEY);
        CREATE TABLE eggs (id int PRIMARY KEY, hen int NOT NULL REFERENCES hens);
        ALTER TABLE hens ADD COLUMN egg int REFERENCES eggs;
        CREATE TABLE breeds (name text PRIMARY KEY); INSERT INTO breeds VALUES ('leghorn');
    """)
    yield connection
    await connection.execute("DROP TABLE hens, eggs, breeds CASCADE")
    await connection.close()


@pytest.mark.parametrize("role", ["manager", "owner"])
async def test_rows_in_a_circle_are_deleted_and_those_of_migrations_stay(
    role: str, owner: asyncpg.Connection, owner_url: str, servers, database_name: str
):
    from undercroft.testing.servers import at

    tables = Tables(owner_url if role == "owner" else at(servers.manager_url, database_name))
    await tables.open()
    await owner.execute("INSERT INTO hens VALUES (1); INSERT INTO eggs VALUES (1, 1); UPDATE hens SET egg = 1")

    await tables.clean()
    await tables.close()

    assert await owner.fetchval("SELECT (SELECT count(*) FROM hens) + (SELECT count(*) FROM eggs)") == 0
    assert await owner.fetchval("SELECT name FROM breeds") == "leghorn"
