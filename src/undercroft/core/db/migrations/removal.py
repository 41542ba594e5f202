"""Revert all migrations of a history, and forget it."""

from sqlalchemy import Connection, inspect, text

from undercroft.core.db.migrations import recorder
from undercroft.core.db.migrations.executor import downgrade
from undercroft.core.db.migrations.history import History
from undercroft.core.db.migrations.repair import apply_repair, find_repairs
from undercroft.core.db.migrations.runner import open_migration_connection
from undercroft.core.db.migrations.status import get_statuses


async def is_applied(url: str, history: History) -> bool:
    """Whether the database has a version table of this history, so that its removal is not complete."""
    async with open_migration_connection(url) as connection:
        return await connection.run_sync(lambda sync: inspect(sync).has_table(history.version_table))


async def revert_all(url: str, history: History) -> list[str]:
    """Revert all migrations of a history; returns the revisions that were applied, oldest first.

    Migrations without a file are reverted by the statements that were stored when they were applied. After an
    interruption, a second call continues. Raises `ConfigurationError` if a migration cannot be reverted.
    """
    reverted = await _list_applied(url, history)
    for repair in await find_repairs(url, [history]):
        await apply_repair(url, repair)
    (status,) = await get_statuses(url, [history])
    if status.current is not None:
        await downgrade(url, history, "base")
    return reverted


async def forget(url: str, history: History) -> None:
    """Drop the version table of a reverted history and its records."""

    def drop(connection: Connection) -> None:
        with connection.begin():
            connection.execute(text(f'DROP TABLE IF EXISTS "{history.version_table}"'))
            for revision in recorder.applied_migrations(connection, history.name):
                recorder.record_unapplied(connection, history.name, revision)

    async with open_migration_connection(url) as connection:
        await connection.run_sync(drop)


async def _list_applied(url: str, history: History) -> list[str]:
    async with open_migration_connection(url) as connection:
        return sorted(await connection.run_sync(recorder.applied_migrations, history.name))
