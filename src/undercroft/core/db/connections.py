"""Pooled connections: they are acquired late, released early, and carry no state to the next user."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import asyncpg
from sqlalchemy import Connection, PoolProxiedConnection, event
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import greenlet_spawn

from undercroft.core.db.connect import CONNECT_ERRORS
from undercroft.core.db.errors import ConnectionState, DatabaseUnavailable, classify, is_statement_error
from undercroft.core.db.settings import DatabaseSettings

REUSE_SECONDS = 60.0
"""Seconds for which connections are passed on directly before they are checked in to SQLAlchemy's pool.

SQLAlchemy's pool counts, creates and recycles them, but a checkout from it takes 28 us instead of 1 (asyncpg, CPython
3.11). That is 10% of `me` in `make bench`, which checks out one connection: 61 instead of 55% of the floor.
"""

DISCARD_INTERVAL = 1.0
"""Minimum seconds between two times that all idle connections are closed because one led to a read-only server."""


OPENED_AT = "undercroft_opened_at"
"""When a connection in SQLAlchemy's pool was opened, in its `info`."""


class PooledConnection:
    """An acquired connection: `raw` is asyncpg's, `connection()` is SQLAlchemy's view of the same connection."""

    __slots__ = ("_fairy", "_pool", "checked_out_at", "raw")

    def __init__(self, pool: "ConnectionPool", fairy: PoolProxiedConnection) -> None:
        self._pool = pool
        self._fairy = fairy
        self.checked_out_at = time.monotonic()
        self.raw: asyncpg.Connection = cast(Any, fairy.driver_connection)

    def connection(self) -> AsyncConnection:
        engine = self._pool.engine
        sync = Connection(engine.sync_engine, connection=self._fairy)
        return AsyncConnection(engine, sync_connection=sync)

    def release(self) -> None:
        """Release it to the next user."""
        self._pool.release_connection(self)

    def check_in(self) -> None:
        """Check it in to SQLAlchemy's pool."""
        self._fairy.close()
        self._pool.pass_on(None)

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


class ConnectionPool:
    """A bounded set of autocommit connections of one engine.

    Raises `DatabaseUnavailable` if no connection is free in time or none can be opened.
    """

    def __init__(self, engine: AsyncEngine, settings: DatabaseSettings, *, size: int) -> None:
        self.engine = engine
        self.same_server: Sequence[ConnectionPool] = (self,)
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
        # Since version 2.1, SQLAlchemy raises its driver's error instead of asyncpg's.
        self._connect_errors = (*CONNECT_ERRORS, asyncpg.InternalClientError, engine.dialect.loaded_dbapi.Error)
        event.listen(engine.sync_engine, "do_connect", _record_opening)

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
            self.pass_on(None)
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
                self.pass_on(waiter.result())
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
            self.pass_on(connection)

    def _is_recycle_due(self, connection: PooledConnection) -> bool:
        """Whether to check it in to SQLAlchemy's pool, which recycles it if it is old.

        One that was opened before the server was lost is closed when it is next taken from that pool.
        """
        if self._connecting or connection.checked_out_at <= self._server_lost_at:
            return True
        return time.monotonic() - connection.checked_out_at >= self._reuse_seconds

    def pass_on(self, connection: PooledConnection | None) -> None:
        """Pass a connection to the longest waiter; None lets it connect, because a connection less is in use."""
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
                pool.discard_idle()

    def discard_idle(self) -> None:
        """Close all connections that were opened before now when they are next free."""
        self._server_lost_at = time.monotonic()
        while self._idle:
            self._idle.pop().discard()

    async def _connect(self) -> PooledConnection:
        while True:
            try:
                fairy = await greenlet_spawn(self.engine.sync_engine.pool.connect)
            except PoolTimeout:
                raise DatabaseUnavailable("All connections to the database are busy.") from None
            except self._connect_errors as error:
                raise DatabaseUnavailable from error
            connection = PooledConnection(self, fairy)
            if not connection.raw.is_closed() and fairy.info[OPENED_AT] > self._server_lost_at:
                return connection
            connection.discard()

    @property
    def in_use(self) -> int:
        """Number of connections that are in use."""
        return cast(int, self.engine.pool.checkedout()) - len(self._idle)  # type: ignore[attr-defined]

    async def close(self) -> None:
        """Close all connections."""
        self._reuse_seconds = 0
        await asyncio.gather(*self._closing, return_exceptions=True)
        while self._idle:
            self._idle.pop().check_in()
        await self.engine.dispose()


def _record_opening(_dialect: Any, record: ConnectionPoolEntry, _args: Any, _options: Any) -> None:
    record.info[OPENED_AT] = time.monotonic()
