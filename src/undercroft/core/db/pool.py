"""Connection pools: connections are acquired late, released early, and carry no state to the next user."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import asyncpg
import structlog
from sqlalchemy import NullPool, PoolProxiedConnection, event
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from undercroft.core.db.connect import NO_STATEMENT_CACHE
from undercroft.core.db.errors import (
    DatabaseUnavailable,
    OutcomeUnknown,
    ReadSessionIsReadOnly,
    classify,
    is_connection_lost,
    is_outcome_unknown,
    is_statement_error,
)
from undercroft.core.db.settings import ENGINE_URL, DatabaseSettings
from undercroft.core.db.sqlstates import ConnectionState
from undercroft.core.db.statement import Statement, is_write
from undercroft.core.db.tenancy import current_tenant, set_tenant_sql
from undercroft.core.db.url import CACHE_SIZES

log = structlog.get_logger("undercroft.performance")

REUSE_SECONDS = 60.0
"""Seconds for which connections are passed on directly before they are checked in to SQLAlchemy's pool.

SQLAlchemy's pool counts, creates and recycles them, but a checkout from it costs as much as a statement.
"""


DISCARD_INTERVAL = 1.0
"""Minimum seconds between two times that all idle connections are closed because one led to a read-only server."""


class PooledConnection:
    """An acquired connection: `raw` is asyncpg's, `connection()` is SQLAlchemy's view of the same connection."""

    __slots__ = ("_engine", "_fairy", "_pool", "checked_out_at", "raw")

    def __init__(self, pool: "Pool", fairy: PoolProxiedConnection) -> None:
        self._pool = pool
        self._engine = pool.engine
        self._fairy = fairy
        self.checked_out_at = time.monotonic()
        self.raw: asyncpg.Connection = cast(Any, fairy.driver_connection)

    def connection(self) -> AsyncConnection:
        from sqlalchemy import Connection

        sync = Connection(self._engine.sync_engine, connection=self._fairy, _allow_revalidate=False)
        return AsyncConnection(self._engine, sync_connection=sync)

    def release(self) -> None:
        """Release it to the next user."""
        self._pool.release_connection(self)

    def check_in(self) -> None:
        """Check it in to SQLAlchemy's pool."""
        self._fairy.close()
        self._pool.wake_waiter()

    def release_after_error(self, error: BaseException) -> None:
        """Release it after a statement outside of a transaction raised this; close it unless the statement was just
        refused.
        """
        self._pool.discard_idle_after(error)
        (self.release if is_statement_error(error) else self.discard)()

    async def roll_back(self, cause: BaseException) -> None:
        """End its transaction after this error; close it if its state is unreliable."""
        if is_statement_error(cause):
            try:
                await self.raw.execute("ROLLBACK")
            except BaseException:
                self.discard()
                raise
        self.release_after_error(cause)

    def discard(self) -> None:
        """Close it instead of releasing it: its state is unknown."""
        if self._fairy.is_valid:
            self._fairy.invalidate()
        self.check_in()


class Pool:
    """A bounded set of autocommit connections to one database with one role.

    With `rls_enabled`, row-level security is on: a team's rows are only visible in a transaction that sets the team.
    Raises `DatabaseUnavailable` if no connection is free in time or none can be opened.
    """

    def __init__(
        self,
        url: str,
        settings: DatabaseSettings,
        *,
        name: str,
        size: int,
        read_only: bool = False,
        server_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.rls_enabled = settings.tenant_rls
        self.same_server: Sequence[Pool] = (self,)
        self._read_only = read_only
        # behind a transaction pooler the server cannot be made to refuse writes on reading connections
        self._rejects_writes = read_only and settings.database_pooler == "transaction"
        self._slow = settings.db_slow_statement
        server = _server_settings(settings, name=name, read_only=read_only, extra=server_settings or {})
        self.engine = _create_engine(url, settings, size=size, server_settings=server)
        self._size = size
        self._idle: list[PooledConnection] = []
        self._waiters: deque[asyncio.Future[PooledConnection | None]] = deque()
        self._connecting = 0
        self._acquire_timeout = settings.db_acquire_timeout
        self._is_unpooled = settings.db_pool == "null"
        self._closing: set[asyncio.Task[None]] = set()
        self._server_lost_at = -DISCARD_INTERVAL
        is_reusing = not self._is_unpooled and not settings.db_pool_pre_ping
        self._reuse_seconds = min(REUSE_SECONDS, settings.db_pool_recycle) if is_reusing else 0.0
        self.on_connect: list[Callable[[asyncpg.Connection], None]] = []
        event.listen(self.engine.sync_engine, "connect", self._on_connect)
        event.listen(self.engine.sync_engine, "before_cursor_execute", self._before_execute)
        event.listen(self.engine.sync_engine, "after_cursor_execute", self._after_execute)

    async def acquire(self) -> PooledConnection:
        """Acquire a connection that is not known to be closed; if all are in use, wait in order of arrival."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.raw.is_closed():
                return connection
            connection.discard()
        if not self._is_unpooled and self.in_use >= self._size and (received := await self._wait_for_connection()):
            return received
        self._connecting += 1
        try:
            return await self._connect()
        except BaseException:
            self.wake_waiter()
            raise
        finally:
            self._connecting -= 1

    async def _wait_for_connection(self) -> PooledConnection | None:
        """The connection that another user releases; None if there is room for a new one instead."""
        waiter: asyncio.Future[PooledConnection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._acquire_timeout):
                received = await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._pass_to_waiter(waiter.result())
            if isinstance(error, TimeoutError):
                raise DatabaseUnavailable("All connections to the database are busy.") from None
            raise
        if received is None or not received.raw.is_closed():
            return received
        received.discard()
        return None

    def release_connection(self, connection: PooledConnection) -> None:
        """Pass a connection on, unless it is due for SQLAlchemy's pool or a waiter connects there."""
        if self._is_unpooled:
            self._close_in_background(connection)
        elif self._is_recycle_due(connection):
            connection.check_in()
        else:
            self._pass_to_waiter(connection)

    def _is_recycle_due(self, connection: PooledConnection) -> bool:
        """Whether to check it in to SQLAlchemy's pool, which recycles it if it is old or predates a lost server."""
        if self._connecting or connection.checked_out_at <= self._server_lost_at:
            return True
        return time.monotonic() - connection.checked_out_at >= self._reuse_seconds

    def wake_waiter(self) -> None:
        """A connection less is in use: the longest waiter may connect."""
        self._pass_to_waiter(None)

    def _pass_to_waiter(self, connection: PooledConnection | None) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is not None:
            self._idle.append(connection)

    def _close_in_background(self, connection: PooledConnection) -> None:
        """Without pooling, closing takes a round trip, which callers should not wait for."""
        closing = asyncio.get_running_loop().create_task(greenlet_spawn(connection.check_in))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def discard_idle_after(self, error: BaseException) -> None:
        """If this error shows that the server is gone or read-only, discard the idle connections of all its pools.

        While the server stays read-only, do so at most once per `DISCARD_INTERVAL`: failing writes must not cost every
        reader its connection.
        """
        state = classify(error).connection
        is_due = time.monotonic() - self._server_lost_at >= DISCARD_INTERVAL
        if state is ConnectionState.LOST or (state is ConnectionState.WRONG_SERVER and is_due):
            for pool in self.same_server:
                pool._discard_idle()

    def _discard_idle(self) -> None:
        self._server_lost_at = time.monotonic()
        while self._idle:
            self._idle.pop().discard()
        self.engine.sync_engine.pool._invalidate_time = time.time()

    async def _connect(self) -> PooledConnection:
        while True:
            try:
                fairy = await greenlet_spawn(self.engine.sync_engine.pool.connect)
            except PoolTimeout:
                raise DatabaseUnavailable("All connections to the database are busy.") from None
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                raise DatabaseUnavailable from error
            connection = PooledConnection(self, fairy)
            if not connection.raw.is_closed():
                return connection
            connection.discard()

    async def fetch(self, statement: Statement, **values: Any) -> list[asyncpg.Record]:
        """Read by one statement on its own connection; retry once if the connection is lost.

        With row-level security on, a read of a team's table runs in a transaction for the current tenant. Raises
        `RuntimeError` on a writing pool, where the statement would autocommit.
        """
        if not self._read_only:
            raise RuntimeError("Open a session to write: `async with database.session()`.")
        arguments = statement.arguments(values)
        needs_tenant = self.rls_enabled and statement.is_tenant_scoped
        fetch_once = self._fetch_in_transaction if needs_tenant else self._fetch_once
        try:
            return await fetch_once(statement.sql, arguments)
        except Exception as error:
            if not is_connection_lost(error):
                raise
            return await fetch_once(statement.sql, arguments)

    async def execute_autocommit(
        self, sql: str, arguments: Sequence[Any], *, unless: Callable[[], bool]
    ) -> list[asyncpg.Record] | None:
        """Run one statement as its own transaction. Raises `OutcomeUnknown` if its response is lost.

        Returns None without committing if `unless()` is true once there is a connection, or if a lock is not available
        in time.
        """
        connection = await self.acquire()
        if unless():
            connection.release()
            return None
        try:
            rows = await self.run(connection, sql, arguments)
        except asyncpg.LockNotAvailableError as error:
            connection.release_after_error(error)
            return None
        except BaseException as error:
            connection.release_after_error(error)
            if isinstance(error, Exception) and is_outcome_unknown(error):
                raise OutcomeUnknown from error
            raise
        connection.release()
        return rows

    async def fetchrow(self, statement: Statement, **values: Any) -> asyncpg.Record | None:
        rows = await self.fetch(statement, **values)
        return rows[0] if rows else None

    @property
    def in_use(self) -> int:
        """Number of connections that are in use."""
        return cast(int, self.engine.pool.checkedout()) - len(self._idle)  # type: ignore[attr-defined]

    async def close(self) -> None:
        self._reuse_seconds = 0
        await asyncio.gather(*self._closing, return_exceptions=True)
        while self._idle:
            self._idle.pop().check_in()
        await self.engine.dispose()

    async def _fetch_once(self, sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        connection = await self.acquire()
        try:
            rows = await self.run(connection, sql, arguments)
        except BaseException as error:
            connection.release_after_error(error)
            raise
        connection.release()
        return rows

    async def _fetch_in_transaction(self, sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        """The same in a transaction that sets the tenant."""
        connection = await self.acquire()
        try:
            await connection.raw.execute(f"BEGIN READ ONLY; {set_tenant_sql(current_tenant())}")
            rows = await self.run(connection, sql, arguments)
            await connection.raw.execute("COMMIT")
        except BaseException as error:
            await connection.roll_back(error)
            raise
        connection.release()
        return rows

    async def run(self, connection: PooledConnection, sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        """Run a compiled statement on an acquired connection, and log it if it is slow."""
        if self._rejects_writes and is_write(sql):
            raise ReadSessionIsReadOnly
        started = time.perf_counter()
        rows = await connection.raw.fetch(sql, *arguments)
        self._log_if_slow(sql, time.perf_counter() - started)
        return cast("list[asyncpg.Record]", rows)

    def _log_if_slow(self, sql: str, seconds: float) -> None:
        if seconds >= self._slow:
            log.warning("slow statement", sql=" ".join(sql.split())[:500], ms=round(seconds * 1000, 1), pool=self.name)

    def _on_connect(self, dbapi_connection: Any, _record: Any) -> None:
        for callback in self.on_connect:
            callback(dbapi_connection.driver_connection)

    def _before_execute(
        self, _connection: Any, _cursor: Any, sql: str, _values: Any, context: Any, _many: bool
    ) -> None:
        if self._rejects_writes and is_write(sql):
            raise ReadSessionIsReadOnly
        context.undercroft_started = time.perf_counter()

    def _after_execute(self, _connection: Any, _cursor: Any, sql: str, _values: Any, context: Any, _many: bool) -> None:
        self._log_if_slow(sql, time.perf_counter() - context.undercroft_started)


def _create_engine(
    url: str, settings: DatabaseSettings, *, size: int, server_settings: Mapping[str, str]
) -> AsyncEngine:
    connect_args: dict[str, Any] = {
        "dsn": url,
        "timeout": settings.db_connect_timeout,
        "command_timeout": settings.db_statement_timeout,
        "server_settings": dict(server_settings),
    }
    if settings.statement_cache_size == 0:
        connect_args |= NO_STATEMENT_CACHE
    elif settings.statement_cache_size is not None:
        connect_args |= dict.fromkeys(CACHE_SIZES, settings.statement_cache_size)
    pool: dict[str, Any] = (
        {"poolclass": NullPool}
        if settings.db_pool == "null"
        else {
            "pool_size": size,
            "max_overflow": 0,
            "pool_timeout": settings.db_acquire_timeout,
            "pool_recycle": settings.db_pool_recycle,
            "pool_use_lifo": True,
        }
    )
    return create_async_engine(
        ENGINE_URL,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        pool_pre_ping=settings.db_pool_pre_ping,
        connect_args=connect_args,
        hide_parameters=True,
        **pool,
    )


def _server_settings(
    settings: DatabaseSettings, *, name: str, read_only: bool, extra: Mapping[str, str]
) -> dict[str, str]:
    """Server settings of each connection; behind a transaction pooler only the application name can be set."""
    names = {"application_name": f"undercroft {name}"}
    if settings.database_pooler == "transaction":
        return names
    return {
        **names,
        **extra,
        "timezone": "UTC",
        "statement_timeout": f"{int(settings.db_statement_timeout * 1000)}ms",
        "lock_timeout": f"{int(settings.db_lock_timeout * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{max(60, int(settings.db_statement_timeout))}s",
        "default_transaction_read_only": "on" if read_only else "off",
    }
