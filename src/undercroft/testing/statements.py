"""Records the SQL statements that asyncpg sends to PostgreSQL."""

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
    """The recorded statements.

    `all` contains all statements in order; `sent` and `count` exclude transaction commands (BEGIN, COMMIT, SET …).
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
        """Clear the recorded statements: `await statements.clear()` before the call to measure.

        asyncpg reports a statement one iteration of the event loop after its end, so this waits for one iteration.
        """
        await asyncio.sleep(0)
        self.all.clear()

    async def get_all(self) -> list[str]:
        """Return all statements so far, after one iteration of the event loop, to include the last one."""
        await asyncio.sleep(0)
        return self.all

    def __str__(self) -> str:
        return "\n".join(f"{number}. {' '.join(sql.split())}" for number, sql in enumerate(self.sent, 1))


_active_recorders: list[StatementRecorder] = []


@contextmanager
def count_statements() -> Iterator[StatementRecorder]:
    """Record the statements that the application sends in the block.

        async def test_list_is_two_statements(user: AsyncClient) -> None:
            await user.get("/api/v1/app/projects")
            with count_statements() as statements:
                await user.get("/api/v1/app/projects")
            assert statements.count <= 4, str(statements)

    In the block, requests are not authorized again after a long wait, so that a slow machine does not change the count.
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
    """Record the statements of all connections that this database opens from now on."""
    for pool in (database.write, database.read):
        event.listen(pool.engine.sync_engine, "connect", _add_query_logger)
        event.listen(pool.engine.sync_engine, "before_cursor_execute", _record_prepared)


def _add_query_logger(connection: Any, _record: Any) -> None:
    connection.driver_connection.add_query_logger(_record_query)


def _record_prepared(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
    """Record a prepared statement of SQLAlchemy, because asyncpg does not report prepared statements."""
    for statements in _active_recorders:
        statements.all.append(sql)


def _record_query(record: Any) -> None:
    for statements in _active_recorders:
        statements.all.append(record.query)
