"""A worker's own connections, without transactions: each of its statements is whole by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from undercroft.core.db.session import Database


@asynccontextmanager
async def autocommit_connection(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """Borrow a connection on which every statement commits at once.

    A kill between two statements leaves a claimed message whose row is not marked, or an ended row whose message is
    still there; both are put right when the message comes round again. Raises `DatabaseUnavailable` when none is free
    in time, and what the driver raises.
    """
    borrowed = await database.write.acquire()
    try:
        yield borrowed.raw
    except BaseException as error:
        borrowed.release_after_error(error)
        raise
    borrowed.release()
