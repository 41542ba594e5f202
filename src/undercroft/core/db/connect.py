"""Open connections, also behind a transaction pooler.

A pooler in transaction mode (PgBouncer, Supavisor, PgCat …) refuses most startup parameters and runs each transaction
on whichever server connection is free. So connections outside of the request pools send only their application name and
cache no prepared statements, and code that needs a lock or a timeout sets it inside a transaction (`SET LOCAL`).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import asyncpg
import structlog
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from undercroft.core.db.errors import is_transient, unreachable_error
from undercroft.core.db.settings import ENGINE_URL, DatabaseSettings, require_url
from undercroft.core.db.url import CACHE_SIZES
from undercroft.core.settings import load, use

log = structlog.get_logger("undercroft.application")

NO_STATEMENT_CACHE: Mapping[str, Any] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    # An unnamed statement is parsed and run in one round trip, so it cannot be missing on another server connection.
    "prepared_statement_name_func": lambda: "",
}
"""SQLAlchemy's arguments for connections whose statements may run on different server connections."""

CONNECT_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""Exceptions of a connection attempt that the server or the network refuses."""

_MIN_PAUSE, _MAX_PAUSE = 0.1, 2.0
_ATTEMPTS = 5
_PID = "SELECT pg_backend_pid()"


async def connect(
    url: str, name: str = "check", *, timeout: float = 10, command_timeout: float | None = None
) -> asyncpg.Connection:
    """Open a connection with the application name `undercroft NAME`. Raises the driver's errors."""
    return await asyncpg.connect(
        url,
        timeout=timeout,
        command_timeout=command_timeout,
        statement_cache_size=0,
        server_settings={"application_name": f"undercroft {name}"},
    )


@asynccontextmanager
async def open_connection(url: str, name: str = "check") -> AsyncIterator[asyncpg.Connection]:
    """Open a connection for the block. Raises `ConfigurationError` if the database cannot be reached."""
    try:
        connection = await connect(url, name)
    except CONNECT_ERRORS as error:
        raise unreachable_error(url, error) from None
    try:
        yield connection
    finally:
        await connection.close()


def create_engine(url: str, name: str) -> AsyncEngine:
    """A SQLAlchemy engine that opens such a connection when it needs one and closes it afterwards."""
    return create_async_engine(
        ENGINE_URL,
        poolclass=NullPool,
        connect_args={
            "dsn": url,
            "timeout": 10,
            "server_settings": {"application_name": f"undercroft {name}"},
            **NO_STATEMENT_CACHE,
        },
    )


def create_pooled_engine(
    url: str,
    settings: DatabaseSettings,
    *,
    name: str,
    size: int,
    read_only: bool,
    server_settings: Mapping[str, str] | None = None,
) -> AsyncEngine:
    """An engine with at most `size` autocommit connections, pooled unless DB_POOL is `null`."""
    connect_args: dict[str, Any] = {
        "dsn": url,
        "timeout": settings.db_connect_timeout,
        "command_timeout": settings.db_statement_timeout,
        "server_settings": _server_settings(settings, name=name, read_only=read_only, extra=server_settings or {}),
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


async def wait_for_database(url: str, seconds: float) -> None:
    """Wait until the database can be reached, for at most `seconds`. Logs a warning once.

    Raises `ConfigurationError` on timeout, or if the database refuses the connection for a reason that is not
    transient.
    """
    deadline, pause = monotonic() + seconds, _MIN_PAUSE
    while True:
        try:
            await (await connect(url)).close()
        except CONNECT_ERRORS as error:
            failure = unreachable_error(url, error)
            if not is_transient(error) or monotonic() >= deadline:
                raise failure from None
            if pause == _MIN_PAUSE:
                log.warning(f"{str(failure).partition(chr(10))[0]} Waiting for at most {seconds:.0f} s.")
            await asyncio.sleep(min(pause, max(0.0, deadline - monotonic())))
            pause = min(_MAX_PAUSE, pause * 1.5)
        else:
            if pause > _MIN_PAUSE:
                log.warning("The database is available now.")
            return


async def detect_pooler() -> DatabaseSettings:
    """The database settings with DATABASE_POOLER=auto resolved by a check, also for later calls of `load`.

    Raises `ConfigurationError` if no database is configured or it cannot be reached.
    """
    settings = load(DatabaseSettings)
    url = require_url(settings.url)
    if settings.database_pooler == "auto":
        try:
            pooled = await _is_transaction_pooled(url)
        except CONNECT_ERRORS as error:
            raise unreachable_error(url, error) from None
        settings = settings.model_copy(update={"database_pooler": "transaction" if pooled else "none"})
        use(settings)
    return settings


async def _is_transaction_pooled(url: str) -> bool:
    """Whether connections to this URL share server connections.

    A direct connection is served by the backend process in its cancel key; a pooler issues its own keys. It pools
    transactions, not sessions, if two open connections are served by one backend, or one connection by two.
    """
    first = await connect(url)
    try:
        if await first.fetchval(_PID) == first.get_server_pid():
            return False
        second = await connect(url)
        try:
            return await _share_backend(first, second)
        finally:
            await second.close()
    finally:
        await first.close()


async def _share_backend(first: asyncpg.Connection, second: asyncpg.Connection) -> bool:
    served_first = set[int]()
    for _ in range(_ATTEMPTS):
        # Twice, because a pooler with round-robin server connections would alternate between the two.
        served_first |= {await first.fetchval(_PID), await first.fetchval(_PID)}
        if len(served_first) > 1 or await second.fetchval(_PID) in served_first:
            return True
    return False
