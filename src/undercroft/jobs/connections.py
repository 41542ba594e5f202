"""Connections of a worker, in autocommit mode."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from undercroft.core.db.session import Database


@asynccontextmanager
async def autocommit_connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """Acquire a connection on which every statement commits immediately.

    If the worker is killed between two statements, a message may be claimed without its row being marked, or a job may
    have ended while its message still exists. Both are repaired when the message is delivered again. Raises
    `DatabaseUnavailable` if no connection is free in time, and the errors of the driver.
    """
    borrowed = await database.write.acquire()
    try:
        yield borrowed.raw
    except BaseException as error:
        borrowed.release_after_error(error)
        raise
    borrowed.release()
