"""The state of a database in each history, including applied migrations without a file."""

from collections.abc import Iterator, Mapping, Sequence

from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from undercroft.core.db.migrations import recorder
from undercroft.core.db.migrations.history import History, MissingMigration, Status
from undercroft.core.db.migrations.runner import open_migration_connection, script_directory


async def get_statuses(url: str, histories: Sequence[History]) -> list[Status]:
    """The state of each history. Raises `ConfigurationError` if the files have no linear order."""
    async with open_migration_connection(url) as connection:
        return [await connection.run_sync(get_status, history) for history in histories]


async def tables(url: str) -> set[str]:
    """The names of the tables in the database."""
    async with open_migration_connection(url) as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


def get_status(connection: Connection, history: History) -> Status:
    """The state of one history."""
    context = MigrationContext.configure(connection, opts={"version_table": history.version_table})
    current = context.get_current_revision()
    order = [script.revision for script in script_directory(history).walk_revisions()][::-1]
    missing: tuple[MissingMigration, ...] = ()
    known = current
    if current is not None and current not in order:
        missing = tuple(_missing(current, order, recorder.applied_migrations(connection, history.name)))
        known = missing[-1].down_revision if missing[-1].recorded else _last_before(current, order)
    pending = order if known is None else order[order.index(known) + 1 :]
    return Status(history.name, current, order[-1] if order else None, tuple(pending), missing, known, history.folder)


def _missing(
    current: str, order: Sequence[str], recorded: Mapping[str, MissingMigration]
) -> Iterator[MissingMigration]:
    """The applied migrations without a file, newest first, as far as they were recorded."""
    revision: str | None = current
    while revision is not None and revision not in order:
        each = recorded.get(revision, MissingMigration(revision))
        yield each
        revision = each.down_revision


def _last_before(revision: str, order: Sequence[str]) -> str | None:
    """The newest file numbered before an unrecorded migration: revisions begin with their number."""
    return next((each for each in reversed(order) if each[:4] < revision[:4]), None)
