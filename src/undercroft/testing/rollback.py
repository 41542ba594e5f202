"""Runs everything that a test writes in one transaction, which is rolled back at its end.

Each session of the application is a savepoint of that transaction: its commit releases the savepoint, and its rollback
reverts to it. All sessions share one connection, so they may be nested, but must not run concurrently.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any, cast
from unittest.mock import patch

import asyncpg

from undercroft.core.db import Database
from undercroft.core.db.connections import PooledConnection
from undercroft.core.db.pool import Pool

NOT_NESTED = (
    "A transaction failed while a later one was open. With `rollback`, all transactions share one connection and must "
    "not run concurrently. Use the real transactions of `database` for this test."
)
_current: "RolledBackTransaction | None" = None


@asynccontextmanager
async def rolled_back(database: Database) -> AsyncIterator["RolledBackTransaction"]:
    """Run all sessions of the database in one transaction, and roll it back after the block."""
    global _current
    connection = await database.write.acquire()
    transaction = RolledBackTransaction(connection)
    await connection.raw.execute("BEGIN")
    with ExitStack() as stack:
        transaction.adopt(database, stack)
        _current = transaction
        try:
            yield transaction
        finally:
            _current = None
            await connection.raw.execute("ROLLBACK")
            connection.release()


def current_transaction() -> "RolledBackTransaction | None":
    """The transaction of the running test; None if it uses real transactions."""
    return _current


class RolledBackTransaction:
    """A transaction on one connection, in which the sessions of several databases are savepoints."""

    def __init__(self, connection: PooledConnection) -> None:
        self.outer = connection
        self._open: list[_Savepoint] = []
        self._number = 0

    def adopt(self, database: Database, stack: ExitStack) -> None:
        """Let the sessions of a database use this transaction until the stack is closed."""
        for pool in (database.write, database.read):
            stack.enter_context(patch.object(pool, "acquire", partial(self.acquire, pool)))
        stack.enter_context(patch.object(database.read, "_rejects_writes", True))

    async def acquire(self, pool: Pool) -> PooledConnection:
        """Begin a savepoint; replaces the method of a pool."""
        self._number += 1
        savepoint = _Savepoint(self, pool, f"undercroft_{self._number}")
        innermost, sql = self._open[-1:], f"{self.end_released()} SAVEPOINT {savepoint.name}"
        try:
            await self.outer.raw.execute(sql)
        except asyncpg.InFailedSQLTransactionError:
            await self.outer.raw.execute(f"{innermost[0].abort()} {sql}")
        self._open.append(savepoint)
        return savepoint

    def end_released(self) -> str:
        """The SQL that ends the latest savepoints whose sessions have ended: releasing a connection sends nothing."""
        commands = ""
        while self._open and self._open[-1].is_released:
            commands += self._open.pop().end_sql()
        return commands

    def is_innermost(self, savepoint: "_Savepoint") -> bool:
        """Whether all later sessions have ended."""
        return all(each.is_released for each in self._later(savepoint))

    def revert_to(self, savepoint: "_Savepoint") -> str:
        """The SQL that reverts to a savepoint. Raises `RuntimeError` if that would revert an open session as well."""
        if not self.is_innermost(savepoint):
            raise RuntimeError(NOT_NESTED)
        for later in self._later(savepoint):
            self._open.remove(later)
        return f"ROLLBACK TO SAVEPOINT {savepoint.name};"

    def _later(self, savepoint: "_Savepoint") -> list["_Savepoint"]:
        return self._open[self._open.index(savepoint) + 1 :]


class _Savepoint(PooledConnection):
    """What a session uses as its connection."""

    __slots__ = ("_revert_sql", "_transaction", "is_aborted", "is_active", "is_released", "name")

    def __init__(self, transaction: RolledBackTransaction, pool: Pool, name: str) -> None:
        super().__init__(pool, transaction.outer._fairy)  # noqa: SLF001 - of the same class
        self._transaction = transaction
        self._revert_sql = ""
        self.name = name
        self.is_active, self.is_released, self.is_aborted = True, False, False
        self.raw = cast("asyncpg.Connection", _Connection(self.raw, self))

    def abort(self) -> str:
        """The SQL that ends it after a statement has failed, so that a later one can begin."""
        revert = f"ROLLBACK TO SAVEPOINT {self.name};"
        if self.is_released:
            return revert
        self.is_active, self.is_aborted = False, True
        return f"{revert} RELEASE SAVEPOINT {self.name};"

    def release(self) -> None:
        self.is_released = True

    check_in = release

    def release_after_error(self, error: BaseException) -> None:  # noqa: ARG002
        self.discard()

    async def roll_back(self, cause: BaseException) -> None:
        self.release_after_error(cause)

    def discard(self) -> None:
        self._revert_sql = "" if self.is_aborted else self._transaction.revert_to(self)
        self.is_released = True

    def end_sql(self) -> str:
        return f"{self._revert_sql} RELEASE SAVEPOINT {self.name};" if self.is_active else ""

    async def execute(self, connection: asyncpg.Connection, command: str) -> str | None:
        """Execute BEGIN, COMMIT or ROLLBACK as the command of a savepoint; None if it is another command."""
        first, _, rest = command.partition(";")
        match first.split():
            case ["BEGIN", *_]:
                begin = "" if self.is_active else f"SAVEPOINT {self.name};"
                self.is_active = True
                if begin or rest:
                    await connection.execute(f"{begin}{rest}")
                return "BEGIN"
            case ["COMMIT"]:
                return await self._commit(connection)
            case ["ROLLBACK"] if self.is_aborted:
                return "ROLLBACK"
            case ["ROLLBACK"]:
                await connection.execute(self._transaction.revert_to(self))
                return "ROLLBACK"
        return None

    async def _commit(self, connection: asyncpg.Connection) -> str:
        """Release the savepoint. A failed transaction is rolled back instead, as PostgreSQL does."""
        if not self._transaction.is_innermost(self):
            return "COMMIT"  # it is released when the later ones have ended
        if self.is_aborted:
            return "ROLLBACK"
        try:
            await connection.execute(f"{self._transaction.end_released()} RELEASE SAVEPOINT {self.name}")
        except asyncpg.InFailedSQLTransactionError:
            await connection.execute(self._transaction.revert_to(self))
            return "ROLLBACK"
        self.is_active = False
        return "COMMIT"


class _Connection:
    """asyncpg's connection, whose transaction commands are those of a savepoint."""

    def __init__(self, connection: asyncpg.Connection, savepoint: _Savepoint) -> None:
        self._connection = connection
        self._savepoint = savepoint

    async def execute(self, command: str, *arguments: Any, **options: Any) -> str:
        done = None if arguments else await self._savepoint.execute(self._connection, command)
        return done or str(await self._connection.execute(command, *arguments, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
