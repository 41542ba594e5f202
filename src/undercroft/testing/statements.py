"""Counts the statements that reach PostgreSQL, as asyncpg itself reports them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

from sqlalchemy import event

from undercroft.core.auth import authorization
from undercroft.core.db import Database

_TRANSACTION_COMMANDS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "RESET", "DEALLOCATE")


class StatementRecorder:
    """What was sent to PostgreSQL while this was recording.

    `all` holds every statement in order; `sent` and `count` leave out the ones around the work (BEGIN, COMMIT, SET …).
    """

    def __init__(self) -> None:
        self.all: list[str] = []

    @property
    def sent(self) -> list[str]:
        return [sql for sql in self.all if not sql.lstrip().upper().startswith(_TRANSACTION_COMMANDS)]

    @property
    def count(self) -> int:
        return len(self.sent)

    async def clear(self) -> None:
        """Forget what was sent so far: `await statements.clear()` before the call that is measured.

        asyncpg tells of a statement one turn of the event loop after its end; that turn is waited for.
        """
        await asyncio.sleep(0)
        self.all.clear()

    async def get_all(self) -> list[str]:
        """Everything sent until now, for calls that give no turn to the event loop after their last statement."""
        await asyncio.sleep(0)
        return self.all

    def __str__(self) -> str:
        return "\n".join(f"{number}. {' '.join(sql.split())}" for number, sql in enumerate(self.sent, 1))


_active_recorders: list[StatementRecorder] = []


@contextmanager
def record_statements() -> Iterator[StatementRecorder]:
    """Record the statements of all watched databases while the block runs.

    Meanwhile a slow machine does not count as waiting, for which a request would be authorized again.
    """
    statements, fresh = StatementRecorder(), authorization.FRESH_SECONDS
    _active_recorders.append(statements)
    authorization.FRESH_SECONDS = inf
    try:
        yield statements
    finally:
        authorization.FRESH_SECONDS = fresh
        _active_recorders.remove(statements)


def instrument(database: Database) -> None:
    """Let the connections that this database makes from now on be recorded."""
    for pool in (database.write, database.read):
        pool.on_connect.append(_add_query_logger)
        event.listen(pool.engine.sync_engine, "before_cursor_execute", _record_prepared)


def _add_query_logger(connection: Any) -> None:
    connection.add_query_logger(_record_query)


def _record_prepared(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
    """SQLAlchemy prepares its statements, and asyncpg reports none that were prepared."""
    for statements in _active_recorders:
        statements.all.append(sql)


def _record_query(record: Any) -> None:
    for statements in _active_recorders:
        statements.all.append(record.query)
