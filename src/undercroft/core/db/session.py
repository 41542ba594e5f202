"""The session that writes: one transaction."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import asyncpg
import structlog
from msgspec import Struct
from sqlalchemy import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import Executable
from sqlalchemy.sql.selectable import ForUpdateArg, GenerativeSelect

from undercroft.core.db.connections import PooledConnection
from undercroft.core.db.errors import OutcomeUnknown, TransactionAborted, invalidates_connection, is_outcome_unknown
from undercroft.core.db.pool import Pool
from undercroft.core.db.read_session import ReadSession, try_end
from undercroft.core.db.reauthorization import Reauthorization, current_reauthorization
from undercroft.core.db.statement import Statement

log = structlog.get_logger("undercroft.error")


class DeferredWrite(Struct):
    """A statement that its session defers; `rows` are its result, None while it is deferred or if it was discarded."""

    sql: str
    autocommit_sql: str
    arguments: Sequence[Any]
    rows: list[asyncpg.Record] | None = None


class Session(ReadSession):
    """One transaction: it begins with the first statement, and the context manager that opened the session ends it.

    Raw, Core and ORM statements share it. There is no `commit`: raise an exception to roll back.
    """

    _BEGIN = "BEGIN"

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._pending: list[object] = []
        self._deferred: DeferredWrite | None = None
        self._locked_rows = False
        self._after_commit: list[Callable[[], None]] = []

    @property
    def writable(self) -> "Session":
        return self

    def add(self, row: object) -> None:
        """Insert this row with the next statement or at the end."""
        self.add_all([row])

    def add_all(self, rows: Sequence[object]) -> None:
        self._require_open()
        if self._orm is None:
            self._pending.extend(rows)
        else:
            self._orm.add_all(rows)

    async def flush(self) -> None:
        """Write what was added or changed so far, so that constraint violations are raised here."""
        await (await self.orm()).flush()

    async def delete(self, row: object) -> None:
        await (await self.orm()).delete(row)

    async def refresh(self, row: object) -> None:
        await (await self.orm()).refresh(row)

    async def rowcount(self, statement: Executable, values: Any = None) -> int:
        """Execute a statement and return the number of affected rows."""
        return cast("CursorResult[Any]", await self.execute(statement, values)).rowcount

    async def raw(self) -> asyncpg.Connection:
        """The driver's connection, inside this transaction, after a flush."""
        await self._write_pending()
        return (await self._acquire()).raw

    async def fetch(self, statement: Statement, **values: Any) -> list[asyncpg.Record]:
        await self._write_pending()
        return await self._pool.run(await self._acquire(), statement.sql, statement.arguments(values))

    async def write_one(self, statement: Statement, **values: Any) -> DeferredWrite:
        """Defer this statement to the session's next one, or to the end. An exception discards it like any other write.

        If it is the session's only statement, it is sent alone at the end and is atomic without BEGIN and COMMIT.
        Constraint violations are then raised at the end, and a lost response means an unknown outcome
        (`OutcomeUnknown`). Use `fetchrow` if the following code needs the row or the error.
        """
        self._require_open()
        write = DeferredWrite(statement.sql, statement.autocommit_sql, statement.arguments(values))
        if (
            self._connection
            or self._pending
            or self._deferred
            or (self._pool.rls_enabled and statement.is_tenant_scoped)
        ):
            write.rows = await self.fetch(statement, **values)
        else:
            self._deferred = write
        return write

    async def orm(self) -> AsyncSession:
        orm = await super().orm()
        if self._pending:
            orm.add_all(self._pending)
            self._pending.clear()
        return orm

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this after the transaction has committed; not if it rolls back.

        Its exceptions are only logged, because the change is committed.
        """
        self._after_commit.append(callback)

    async def abort(self) -> None:
        """Refuse further statements, and cancel the running one. The transaction can then only be rolled back."""
        self._is_closed = True
        await self.cancel_statement()

    async def _orm_for(self, statement: Executable) -> AsyncSession:
        """Remember SELECT … FOR UPDATE: it may have waited for a transaction that revoked this request's access."""
        if isinstance(statement, GenerativeSelect) and any(
            isinstance(x, ForUpdateArg) for x in statement.get_children()
        ):
            self._locked_rows = True
        return await self.orm()

    def _due_reauthorization(self) -> Reauthorization | None:
        """The reauthorization of the request, if it waited since it was authenticated."""
        reauthorization = current_reauthorization()
        return reauthorization if reauthorization and reauthorization.is_due(locked=self._locked_rows) else None

    async def _write_pending(self) -> None:
        if self._pending or self._orm is not None:
            await (await self.orm()).flush()

    def _require_open(self) -> None:
        """Raise if the session has ended: nothing would commit what is added or begun now."""
        if self._is_closed:
            raise RuntimeError("This session has ended. Open another one with `async with database.session()`.")

    async def _acquire(self) -> PooledConnection:
        self._require_open()
        if self._pool.rls_enabled:
            connection = await self._acquire_for_tenant()
        else:
            connection = self._connection = self._connection or await self._try_begin() or await self._begin()
        if self._deferred is not None:
            first, self._deferred = self._deferred, None
            first.rows = await self._pool.run(connection, first.sql, first.arguments)
        return connection

    async def _commit(self) -> None:
        await self._write_pending()
        if self._deferred is None or not await self._commit_deferred(self._deferred):
            if self._connection is not None and (reauthorization := self._due_reauthorization()) is not None:
                await reauthorization.verify(self)
            await self._end_transaction()
        await self._close(broken=False)
        for callback in self._after_commit:
            try:
                callback()
            except Exception:
                log.exception("after-commit callback failed")

    async def _commit_deferred(self, write: DeferredWrite) -> bool:
        """Send the only write as its own transaction. False if it would wait: a transaction is open then."""
        self._deferred = None
        write.rows = await self._pool.execute_autocommit(
            write.autocommit_sql, write.arguments, unless=lambda: self._due_reauthorization() is not None
        )
        if write.rows is None:
            self._deferred, self._locked_rows = write, True
            await self._acquire()
        return self._connection is None

    async def _end_transaction(self) -> None:
        if not self._in_transaction or self._connection is None:
            return
        try:
            ended = await self._connection.raw.execute("COMMIT")
        except Exception as error:
            if is_outcome_unknown(error):
                raise OutcomeUnknown from error
            raise
        self._in_transaction = False
        if ended == "ROLLBACK":
            raise TransactionAborted

    async def _roll_back(self, cause: BaseException) -> None:
        """Roll back; a connection in an unreliable state is closed, which rolls back too."""
        if isinstance(cause, OutcomeUnknown) and cause.__cause__ is not None:
            cause = cause.__cause__
        self._pool.discard_idle_after(cause)
        broken = invalidates_connection(cause)
        if self._in_transaction and self._connection is not None and not broken:
            broken = not await try_end(self._connection, "ROLLBACK")
        self._in_transaction, self._deferred = False, None
        await self._close(broken=broken)
