"""The two kinds of session: `Session` is one transaction, `ReadSession` reads without one."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

import asyncpg
import structlog
from msgspec import Struct
from sqlalchemy import CursorResult, Result, ScalarResult, event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session as SyncSession
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.sql import Executable

from undercroft.core.db.errors import (
    OutcomeUnknown,
    TransactionAborted,
    invalidates_connection,
    is_connection_lost,
    is_outcome_unknown,
    is_statement_error,
    raise_translated,
    raise_translated_read,
)
from undercroft.core.db.pool import Pool, PooledConnection
from undercroft.core.db.reauthorization import Reauthorization, current_reauthorization
from undercroft.core.db.settings import DatabaseSettings, require_url
from undercroft.core.db.statement import Statement
from undercroft.core.db.tenancy import current_tenant, set_tenant_sql
from undercroft.core.errors import AppError

T = TypeVar("T")
_UNKNOWN = object()
CANCEL_TIMEOUT = 2.0
log = structlog.get_logger("undercroft.error")


class _OrmSession(SyncSession):
    """SQLAlchemy's session class for event listeners of this module."""


@event.listens_for(_OrmSession, "after_transaction_create")
def _send_savepoint(session: SyncSession, transaction: SessionTransaction) -> None:
    """Send SAVEPOINT immediately: SQLAlchemy defers it to its next statement, so a compiled one would run outside."""
    if transaction.nested:
        session.connection()


class ReadSession:
    """Reads by compiled, Core and ORM statements, without a transaction unless `Session` adds one.

    A connection is acquired for the first statement. Compiled statements release it immediately; the first Core or ORM
    statement keeps it until the session closes. Relationships must be loaded explicitly; there is no lazy loading.

    With row-level security on, reads of a team's rows run in a transaction that sets the tenant.
    """

    _BEGIN = "BEGIN READ ONLY"

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: PooledConnection | None = None
        self._orm: AsyncSession | None = None
        self._applied_tenant: object = None
        self._is_closed = False
        self._in_transaction = False

    @property
    def rls_enabled(self) -> bool:
        """Whether row-level security is on."""
        return self._pool.rls_enabled

    async def orm(self) -> AsyncSession:
        """SQLAlchemy's session on this session's connection. Never commit or roll back through it."""
        if self._orm is not None and not self._pool.rls_enabled:
            return self._orm
        connection = await self._acquire()
        if self._orm is None:
            self._orm = AsyncSession(connection.connection(), expire_on_commit=False, sync_session_class=_OrmSession)
            if self._pool.rls_enabled:
                event.listen(self._orm.sync_session, "after_soft_rollback", self._forget_tenant)
        return self._orm

    async def execute(self, statement: Executable, values: Any = None) -> Result[Any]:
        return await (await self.orm()).execute(statement, values)

    async def scalar(self, statement: Executable) -> Any:
        return await (await self.orm()).scalar(statement)

    async def scalars(self, statement: Executable) -> ScalarResult[Any]:
        return await (await self.orm()).scalars(statement)

    async def get(self, model: type[T], key: Any) -> T | None:
        return cast("T | None", await (await self.orm()).get(model, key))

    async def fetch(self, statement: Statement, **values: Any) -> list[asyncpg.Record]:
        """The rows of a compiled statement, as asyncpg records."""
        if self._connection is None:
            return await self._pool.fetch(statement, **values)
        return await self._pool.run(await self._acquire(), statement.sql, statement.arguments(values))

    async def fetchrow(self, statement: Statement, **values: Any) -> asyncpg.Record | None:
        rows = await self.fetch(statement, **values)
        return rows[0] if rows else None

    async def _acquire(self) -> PooledConnection:
        if not self._pool.rls_enabled:
            if self._connection is None:
                self._connection = await self._pool.acquire()
            return self._connection
        return await self._acquire_for_tenant()

    async def _acquire_for_tenant(self) -> PooledConnection:
        """Begin the transaction, or set the tenant again if it has changed."""
        if self._connection is None:
            self._connection = await self._try_begin() or await self._begin()
        tenant = current_tenant()
        if tenant is not self._applied_tenant and tenant != self._applied_tenant:
            await self._connection.raw.execute(set_tenant_sql(tenant))
            self._applied_tenant = tenant
        return self._connection

    async def _try_begin(self) -> PooledConnection | None:
        """Begin; None if the connection was lost, which is worth a retry because nothing was sent yet."""
        try:
            return await self._begin()
        except Exception as error:
            if not is_connection_lost(error):
                raise
            return None

    async def _begin(self) -> PooledConnection:
        """Begin the transaction and set its tenant, in one round trip."""
        connection = await self._pool.acquire()
        tenant = current_tenant()
        try:
            await connection.raw.execute(
                f"{self._BEGIN}; {set_tenant_sql(tenant)}" if self._pool.rls_enabled else self._BEGIN
            )
        except BaseException as error:
            self._pool.discard_idle_after(error)
            connection.discard()
            raise
        self._applied_tenant, self._in_transaction = tenant, True
        return connection

    def _forget_tenant(self, *_: Any) -> None:
        """Rolling back to a savepoint reverts a tenant set after it."""
        self._applied_tenant = _UNKNOWN

    async def cancel_statement(self) -> None:
        """Cancel the running statement and close the connection. Closing alone would not stop the statement."""
        if self._connection is not None:
            with suppress(Exception):
                await self._connection.raw.close(timeout=CANCEL_TIMEOUT)

    async def _close_after_error(self, error: BaseException) -> None:
        """Release the connection after an error, or close it if it may be unusable."""
        self._pool.discard_idle_after(error)
        await self._close(broken=not isinstance(error, AppError) and not is_statement_error(error))

    async def _close(self, *, broken: bool) -> None:
        if self._orm is not None and not broken:
            await self._orm.close()
        if self._in_transaction and not broken and self._connection is not None:
            broken = not await _try_end(self._connection)
        if self._connection is not None:
            (self._connection.discard if broken else self._connection.release)()
        self._connection = self._orm = None
        self._is_closed = True


async def _try_end(connection: PooledConnection, command: str = "COMMIT") -> bool:
    """End a transaction without changes to commit, and return whether that succeeded."""
    try:
        await connection.raw.execute(command)
    except Exception:
        return False
    return True


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

    async def execute(self, statement: Executable, values: Any = None) -> Result[Any]:
        self._record_lock(statement)
        return await super().execute(statement, values)

    async def scalar(self, statement: Executable) -> Any:
        self._record_lock(statement)
        return await super().scalar(statement)

    async def scalars(self, statement: Executable) -> ScalarResult[Any]:
        self._record_lock(statement)
        return await super().scalars(statement)

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

    def _record_lock(self, statement: Executable) -> None:
        """Remember SELECT … FOR UPDATE: it may have waited for a transaction that revoked this request's access."""
        if getattr(statement, "_for_update_arg", None) is not None:
            self._locked_rows = True

    def _due_reauthorization(self) -> Reauthorization | None:
        """The reauthorization of the request, if it waited since it was authenticated."""
        reauthorization = current_reauthorization()
        return reauthorization if reauthorization and reauthorization.is_due(locked=self._locked_rows) else None

    async def _reauthorize(self) -> None:
        """Verify the request again before its changes are committed."""
        if self._connection is not None and (reauthorization := self._due_reauthorization()) is not None:
            await reauthorization.verify(self)

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
            await self._reauthorize()
            await self._end_transaction()
        await self._close(broken=False)
        for callback in self._after_commit:
            _run_callback(callback)

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
            broken = not await _try_end(self._connection, "ROLLBACK")
        self._in_transaction, self._deferred = False, None
        await self._close(broken=broken)


def _run_callback(callback: Callable[[], None]) -> None:
    try:
        callback()
    except Exception:
        log.exception("after-commit callback failed")


class Database:
    """A PostgreSQL database: a pool for writing and a read-only pool.

    `name` is the application name of the writing connections after "undercroft"; `server_settings` apply to them too.
    Raises `ConfigurationError` if no database is configured.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        url: str | None = None,
        *,
        name: str = "write",
        server_settings: Mapping[str, str] | None = None,
    ) -> None:
        url = require_url(url or settings.url)
        self.url = url
        self.settings = settings
        self.write = Pool(url, settings, name=name, size=settings.db_pool_size, server_settings=server_settings)
        self.read = Pool(url, settings, name="read", size=settings.db_read_pool_size, read_only=True)
        self.write.same_server = self.read.same_server = (self.write, self.read)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """One transaction, committed at the end of the block, rolled back by an exception.

        An `AppError` with `commits` commits and is raised as well. Driver errors are raised as the matching `AppError`.
        """
        session = Session(self.write)
        try:
            yield session
            await session._commit()
        except AppError as error:
            await self._end_after_app_error(session, error)
            raise
        except BaseException as error:
            await session._roll_back(error)
            raise_translated(error)

    @asynccontextmanager
    async def read_session(self) -> AsyncIterator[ReadSession]:
        """Reads without a transaction, on read-only connections."""
        session = ReadSession(self.read)
        try:
            yield session
        except BaseException as error:
            await session._close_after_error(error)
            raise_translated_read(error)
        await session._close(broken=False)

    async def close(self) -> None:
        """Close all connections."""
        await self.write.close()
        await self.read.close()

    @staticmethod
    async def _end_after_app_error(session: Session, error: AppError) -> None:
        if not error.commits:
            await session._roll_back(error)
            return
        try:
            await session._commit()
        except BaseException as failure:
            await session._roll_back(failure)
            raise_translated(failure)
