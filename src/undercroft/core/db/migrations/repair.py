"""Revert applied migrations whose files are missing."""

from collections.abc import Sequence

import asyncpg
from msgspec import Struct
from sqlalchemy import Connection, text

from undercroft.core.db.connect import open_connection
from undercroft.core.db.migrations import recorder
from undercroft.core.db.migrations.history import History, Status
from undercroft.core.db.migrations.runner import migration_lock, open_migration_connection
from undercroft.core.db.migrations.status import get_status
from undercroft.core.errors import ConfigurationError


class Repair(Struct, frozen=True):
    """The statements that revert one history to the newest applied migration with a file.

    `statements` revert the missing migrations, newest first; None if they were not recorded or need Python code.
    """

    history: History
    status: Status
    statements: tuple[str, ...] | None


async def find_repairs(url: str, histories: Sequence[History]) -> list[Repair]:
    """The histories to repair; empty if every applied migration has its file."""
    async with open_migration_connection(url) as connection:
        found = [await connection.run_sync(_plan_repair, history) for history in histories]
    return [each for each in found if each is not None]


async def apply_repair(url: str, wanted: Repair, *, stamp: bool = False, wait: float = 60) -> None:
    """Revert the missing migrations, or with `stamp` only mark them as reverted.

    Raises `ConfigurationError` if their statements are unknown.
    """
    if not stamp and wanted.statements is None:
        raise ConfigurationError(
            f"The statements that revert {wanted.status.missing[-1].revision} of {wanted.status.history} are unknown. "
            "Revert its changes by hand, then run `undercroft migrate repair --stamp` to mark it as reverted."
        )
    async with migration_lock(url, wait):
        if not stamp:
            await _execute(url, wanted.statements or ())
        async with open_migration_connection(url) as connection:
            await connection.run_sync(_stamp, wanted)


def _plan_repair(connection: Connection, history: History) -> Repair | None:
    status = get_status(connection, history)
    if not status.missing:
        return None
    stored = recorder.downgrade_statements(connection, history.name)
    undo = [stored.get(each.revision) for each in status.missing]
    known = None if None in undo else tuple(statement for each in undo if each for statement in each)
    return Repair(history, status, known)


async def _execute(url: str, statements: Sequence[str]) -> None:
    """Run the statements as recorded: they begin and commit their own transactions."""
    async with open_connection(url, "migrate") as connection:
        for statement in statements:
            try:
                await connection.execute(statement)
            except asyncpg.PostgresError as error:
                raise ConfigurationError(
                    f"Nothing was reverted, because this statement failed: {error.args[0]}.\n{statement}\n"
                    "Revert the migration by hand, then run `undercroft migrate repair --stamp` to mark it as reverted."
                ) from None


def _stamp(connection: Connection, wanted: Repair) -> None:
    """Set the version table to the newest migration with a file, and remove the missing ones from the record."""
    table, known = wanted.history.version_table, wanted.status.known
    with connection.begin():
        connection.execute(text(f'DELETE FROM "{table}"'))  # noqa: S608 - the name of a module
        if known is not None:
            insert = text(f'INSERT INTO "{table}" (version_num) VALUES (:known)')  # noqa: S608
            connection.execute(insert, {"known": known})
        for each in wanted.status.missing:
            recorder.record_unapplied(connection, wanted.history.name, each.revision)
