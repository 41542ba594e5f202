"""Connections of one kind: borrowed late, given back at once, never carrying state to the next borrower."""

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
"""Seconds for which connections pass from borrower to borrower before SQLAlchemy's pool sees them again.

Its pool is the one that counts, makes and recycles them, but borrowing through it costs as much as a statement.
"""


DISCARD_INTERVAL = 1.0
"""Seconds between two times that all idle connections are closed because one of them led to a read-only server."""


class PooledConnection:
    """One connection while it is ours: `raw` is asyncpg's, `connection()` is SQLAlchemy's view of the same one."""

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
        """To whoever comes next."""
        self._pool.release_connection(self)

    def check_in(self) -> None:
        """To SQLAlchemy's pool."""
        self._fairy.close()
        self._pool.wake_waiter()

    def release_after_error(self, error: BaseException) -> None:
        """Give it back after a statement outside of a transaction raised this; close it unless it was just refused."""
        self._pool.discard_idle_after(error)
        (self.release if is_statement_error(error) else self.discard)()

    async def roll_back(self, cause: BaseException) -> None:
        """End its transaction after this error, for the next borrower; close it when that cannot be relied on."""
        if is_statement_error(cause):
            try:
                await self.raw.execute("ROLLBACK")
            except BaseException:
                self.discard()
                raise
        self.release_after_error(cause)

    def discard(self) -> None:
        """Close it instead of giving it back: its state is not known."""
        if self._fairy.is_valid:
            self._fairy.invalidate()
        self.check_in()


class Pool:
    """A bounded set of autocommit connections to one database as one role.

    `rls_enabled`: row-level security is on, so that a team's rows are only there inside a transaction that names it.
    Raises `DatabaseUnavailable` when none is free in time or none can be made.
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
        # behind a transaction pooler no setting makes the server refuse what a reading connection writes
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
        passes_on = not self._is_unpooled and not settings.db_pool_pre_ping
        self._reuse_seconds = min(REUSE_SECONDS, settings.db_pool_recycle) if passes_on else 0.0
        self.on_connect: list[Callable[[asyncpg.Connection], None]] = []
        event.listen(self.engine.sync_engine, "connect", self._on_connect)
        event.listen(self.engine.sync_engine, "before_cursor_execute", self._before_execute)
        event.listen(self.engine.sync_engine, "after_cursor_execute", self._after_execute)

    async def acquire(self) -> PooledConnection:
        """Borrow a connection that is not known to be dead; when all are lent, after those who came before."""
        while self._idle:
            borrowed = self._idle.pop()
            if not borrowed.raw.is_closed():
                return borrowed
            borrowed.discard()
        if not self._is_unpooled and self.in_use >= self._size and (handed := await self._wait_for_connection()):
            return handed
        self._connecting += 1
        try:
            return await self._connect()
        except BaseException:
            self.wake_waiter()
            raise
        finally:
            self._connecting -= 1

    async def _wait_for_connection(self) -> PooledConnection | None:
        """The connection that somebody gives back; None when there is room for another one instead."""
        turn: asyncio.Future[PooledConnection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            async with asyncio.timeout(self._acquire_timeout):
                handed = await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_to_waiter(turn.result())
            if isinstance(error, TimeoutError):
                raise DatabaseUnavailable("All connections to the database are busy.") from None
            raise
        if handed is None or not handed.raw.is_closed():
            return handed
        handed.discard()
        return None

    def release_connection(self, borrowed: PooledConnection) -> None:
        """Keep a connection for the next borrower, unless it is due at SQLAlchemy's pool or somebody asks there."""
        if self._is_unpooled:
            self._close_in_background(borrowed)
        elif self._is_recycle_due(borrowed):
            borrowed.check_in()
        else:
            self._pass_to_waiter(borrowed)

    def _is_recycle_due(self, borrowed: PooledConnection) -> bool:
        """Whether SQLAlchemy's pool is to see it, which recycles it when it is old or from before a lost server."""
        if self._connecting or borrowed.checked_out_at <= self._server_lost_at:
            return True
        return time.monotonic() - borrowed.checked_out_at >= self._reuse_seconds

    def wake_waiter(self) -> None:
        """One connection less is lent: whoever waits longest may ask SQLAlchemy's pool."""
        self._pass_to_waiter(None)

    def _pass_to_waiter(self, borrowed: PooledConnection | None) -> None:
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(borrowed)
                return
        if borrowed is not None:
            self._idle.append(borrowed)

    def _close_in_background(self, borrowed: PooledConnection) -> None:
        """A pool that keeps nothing says goodbye to the server, which takes a round trip that nobody waits for."""
        closing = asyncio.get_running_loop().create_task(greenlet_spawn(borrowed.check_in))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def discard_idle_after(self, error: BaseException) -> None:
        """Use no connection again that was made before now, in any pool of this server, if it is gone or read-only.

        While it remains read-only that happens once per `DISCARD_INTERVAL`: failing writes must not cost every reader
        its connection.
        """
        after = classify(error).connection
        again = time.monotonic() - self._server_lost_at >= DISCARD_INTERVAL
        if after is ConnectionState.LOST or (after is ConnectionState.WRONG_SERVER and again):
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
            borrowed = PooledConnection(self, fairy)
            if not borrowed.raw.is_closed():
                return borrowed
            borrowed.discard()

    async def fetch(self, statement: Statement, **values: Any) -> list[asyncpg.Record]:
        """Read by one statement on a connection borrowed only for it, twice when the connection broke.

        With row-level security on, a read that names a team's table runs in a transaction for the current tenant.
        Raises `RuntimeError` on a pool for writing, where a statement would commit by itself.
        """
        if not self._read_only:
            raise RuntimeError("Open a session to write: `async with database.session()`.")
        arguments = statement.arguments(values)
        inside = self.rls_enabled and statement.is_tenant_scoped
        fetch_once = self._fetch_in_transaction if inside else self._fetch_once
        try:
            return await fetch_once(statement.sql, arguments)
        except Exception as error:
            if not is_connection_lost(error):
                raise
            return await fetch_once(statement.sql, arguments)

    async def execute_autocommit(
        self, sql: str, arguments: Sequence[Any], *, unless: Callable[[], bool]
    ) -> list[asyncpg.Record] | None:
        """Run one statement as a transaction of its own. Raises `OutcomeUnknown` when its response is lost.

        None, and nothing is committed, when `unless` is true once there is a connection, or when a lock is not to be
        had in time.
        """
        borrowed = await self.acquire()
        if unless():
            borrowed.release()
            return None
        try:
            rows = await self.run(borrowed, sql, arguments)
        except asyncpg.LockNotAvailableError as error:
            borrowed.release_after_error(error)
            return None
        except BaseException as error:
            borrowed.release_after_error(error)
            if isinstance(error, Exception) and is_outcome_unknown(error):
                raise OutcomeUnknown from error
            raise
        borrowed.release()
        return rows

    async def fetchrow(self, statement: Statement, **values: Any) -> asyncpg.Record | None:
        rows = await self.fetch(statement, **values)
        return rows[0] if rows else None

    @property
    def in_use(self) -> int:
        """How many connections are borrowed at the moment."""
        return cast(int, self.engine.pool.checkedout()) - len(self._idle)  # type: ignore[attr-defined]

    async def close(self) -> None:
        self._reuse_seconds = 0
        await asyncio.gather(*self._closing, return_exceptions=True)
        while self._idle:
            self._idle.pop().check_in()
        await self.engine.dispose()

    async def _fetch_once(self, sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        borrowed = await self.acquire()
        try:
            rows = await self.run(borrowed, sql, arguments)
        except BaseException as error:
            borrowed.release_after_error(error)
            raise
        borrowed.release()
        return rows

    async def _fetch_in_transaction(self, sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        """The same in a transaction that says whose rows it reads."""
        borrowed = await self.acquire()
        try:
            await borrowed.raw.execute(f"BEGIN READ ONLY; {set_tenant_sql(current_tenant())}")
            rows = await self.run(borrowed, sql, arguments)
            await borrowed.raw.execute("COMMIT")
        except BaseException as error:
            await borrowed.roll_back(error)
            raise
        borrowed.release()
        return rows

    async def run(self, borrowed: PooledConnection, sql: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        """Run a compiled statement on a borrowed connection, and log it when it was slow."""
        if self._rejects_writes and is_write(sql):
            raise ReadSessionIsReadOnly
        started = time.perf_counter()
        rows = await borrowed.raw.fetch(sql, *arguments)
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
    """What the server enforces for each of our connections; a transaction pooler takes none of it but the name."""
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
