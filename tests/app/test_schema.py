"""Schema checks without Alembic."""

import asyncpg

from undercroft.app.migrations import upgrade_all
from undercroft.app.schema import is_current


async def test_empty_database_is_not_current(empty_database_url: str) -> None:
    assert not await is_current(empty_database_url)


async def test_schema_is_current_only_if_every_history_is_at_its_last_revision(migrated_database_url: str) -> None:
    await upgrade_all(migrated_database_url)
    assert await is_current(migrated_database_url)

    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute("UPDATE core_alembic_version SET version_num = '0000_before'")
    await connection.close()

    assert not await is_current(migrated_database_url)
