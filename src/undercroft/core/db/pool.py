"""A pool of connections that runs statements outside of sessions."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import asyncpg
import structlog
from sqlalchemy import event

from undercroft.core.db.connect import create_pooled_engine
from undercroft.core.db.connections import ConnectionPool, PooledConnection
from undercroft.core.db.errors import OutcomeUnknown, ReadSessionIsReadOnly, is_connection_lost, is_outcome_unknown
from undercroft.core.db.settings import DatabaseSettings
from undercroft.core.db.statement import Statement, is_write
from undercroft.core.db.tenancy import current_tenant, set_tenant_sql

log = structlog.get_logger("undercroft.performance")


class Pool(ConnectionPool):
    """The connections of one database and role, and statements that need no session.

    With `rls_enabled`, row-level security is on: a team's rows are only visible in a transaction that sets the team.
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
        engine = create_pooled_engine(
            url, settings, name=name, size=size, read_only=read_only, server_settings=server_settings
        )
        super().__init__(engine, settings, size=size)
        self.name = name
        self.rls_enabled = settings.tenant_rls
        self._read_only = read_only
        # behind a transaction pooler the server cannot be made to refuse writes on reading connections
        self._rejects_writes = read_only and settings.database_pooler == "transaction"
        self._slow = settings.db_slow_statement
        event.listen(self.engine.sync_engine, "before_cursor_execute", self._before_execute)
        event.listen(self.engine.sync_engine, "after_cursor_execute", self._after_execute)

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

    def _before_execute(
        self, _connection: Any, _cursor: Any, sql: str, _values: Any, context: Any, _many: bool
    ) -> None:
        if self._rejects_writes and is_write(sql):
            raise ReadSessionIsReadOnly
        context.undercroft_started = time.perf_counter()

    def _after_execute(self, _connection: Any, _cursor: Any, sql: str, _values: Any, context: Any, _many: bool) -> None:
        self._log_if_slow(sql, time.perf_counter() - context.undercroft_started)
