"""The session that reads without a transaction, on which `Session` builds."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

import asyncpg
from sqlalchemy import Result, ScalarResult, event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session as SyncSession
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.sql import Executable

from undercroft.core.db.connections import PooledConnection
from undercroft.core.db.errors import is_connection_lost, is_statement_error
from undercroft.core.db.pool import Pool
from undercroft.core.db.statement import Statement
from undercroft.core.db.tenancy import current_tenant, set_tenant_sql
from undercroft.core.errors import AppError

if TYPE_CHECKING:
    from undercroft.core.db.session import Session

T = TypeVar("T")
_UNKNOWN = object()
CANCEL_TIMEOUT = 2.0


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

    @property
    def writable(self) -> "Session":
        """This session, for code that reads with both kinds of session. Raises `TypeError` if it is no `Session`."""
        raise TypeError("This needs a Session to write; it has a ReadSession.")

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
        return await (await self._orm_for(statement)).execute(statement, values)

    async def scalar(self, statement: Executable) -> Any:
        return await (await self._orm_for(statement)).scalar(statement)

    async def scalars(self, statement: Executable) -> ScalarResult[Any]:
        return await (await self._orm_for(statement)).scalars(statement)

    async def _orm_for(self, _statement: Executable) -> AsyncSession:
        return await self.orm()

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
            broken = not await try_end(self._connection)
        if self._connection is not None:
            (self._connection.discard if broken else self._connection.release)()
        self._connection = self._orm = None
        self._is_closed = True


async def try_end(connection: PooledConnection, command: str = "COMMIT") -> bool:
    """End a transaction without changes to commit, and return whether that succeeded."""
    try:
        await connection.raw.execute(command)
    except Exception:
        return False
    return True
