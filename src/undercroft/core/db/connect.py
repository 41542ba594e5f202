"""The one way to open a connection outside of a request's pools: it works behind a transaction pooler as well.

A pooler in transaction mode (PgBouncer, Supavisor, PgCat …) refuses most startup parameters and serves each transaction
by whichever server connection is free. So these connections send their name alone, cache no prepared statement, and
whoever needs a lock or a timeout sets it inside a transaction (`SET LOCAL`).
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
from undercroft.core.settings import load, use

log = structlog.get_logger("undercroft.application")

NO_STATEMENT_CACHE: Mapping[str, Any] = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    # An unnamed statement is parsed and run in one round trip, so it cannot be missing on the next server connection.
    "prepared_statement_name_func": lambda: "",
}
"""SQLAlchemy's arguments for a connection whose statements may run on different server connections."""

CONNECT_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What connecting raises when the server or the network refuses."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_ATTEMPTS = 5
_PID = "SELECT pg_backend_pid()"


async def connect(
    url: str, name: str = "check", *, timeout: float = 10, command_timeout: float | None = None
) -> asyncpg.Connection:
    """Open a connection, seen by the server as `undercroft NAME`. Raises what the driver raises."""
    return await asyncpg.connect(
        url,
        timeout=timeout,
        command_timeout=command_timeout,
        statement_cache_size=0,
        server_settings={"application_name": f"undercroft {name}"},
    )


@asynccontextmanager
async def open_connection(url: str, name: str = "check") -> AsyncIterator[asyncpg.Connection]:
    """A connection for the block. Raises `ConfigurationError` when the database cannot be reached."""
    try:
        connection = await connect(url, name)
    except CONNECT_ERRORS as error:
        raise unreachable_error(url, error) from None
    try:
        yield connection
    finally:
        await connection.close()


def create_engine(url: str, name: str) -> AsyncEngine:
    """SQLAlchemy's engine over such connections, each opened when it is needed and closed after."""
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


async def wait_for_database(url: str, seconds: float) -> None:
    """Wait until the database can be reached, for at most so long; says so once.

    Raises `ConfigurationError` when it cannot in time, or refuses us for a reason that waiting does not mend.
    """
    deadline, pause = monotonic() + seconds, _SHORTEST_PAUSE
    while True:
        try:
            await (await connect(url)).close()
        except CONNECT_ERRORS as error:
            failure = unreachable_error(url, error)
            if not is_transient(error) or monotonic() >= deadline:
                raise failure from None
            if pause == _SHORTEST_PAUSE:
                log.warning(f"{str(failure).partition(chr(10))[0]} Waiting for it, {seconds:.0f} s at most.")
            await asyncio.sleep(min(pause, max(0.0, deadline - monotonic())))
            pause = min(_LONGEST_PAUSE, pause * 1.5)
        else:
            if pause > _SHORTEST_PAUSE:
                log.warning("The database can be reached now.")
            return


async def detect_pooler() -> DatabaseSettings:
    """The settings of this process with DATABASE_POOLER=auto decided by looking, for every later `load` as well.

    Raises `ConfigurationError` when no database is configured or it cannot be reached.
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
    """Whether connections to this URL share the server's connections.

    A direct connection is served by the process that its cancel key names; a pooler issues keys of its own. It pools
    transactions, not sessions, when two open connections are served by one process, or one connection by two.
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
        # Twice, because a pooler that takes its server connections in turn would alternate between ours.
        served_first |= {await first.fetchval(_PID), await first.fetchval(_PID)}
        if len(served_first) > 1 or await second.fetchval(_PID) in served_first:
            return True
    return False
