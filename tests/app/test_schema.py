"""Whether the schema is the newest, seen without Alembic."""

import asyncpg

from undercroft.app.migrations import upgrade_all
from undercroft.app.schema import is_current


async def test_an_empty_database_is_not(empty_database_url: str) -> None:
    assert not await is_current(empty_database_url)


async def test_a_migrated_database_is_until_one_history_stands_elsewhere(empty_database_url: str) -> None:
    await upgrade_all(empty_database_url)
    assert await is_current(empty_database_url)

    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("UPDATE projects_alembic_version SET version_num = '0000_before'")
    await connection.close()

    assert not await is_current(empty_database_url)
