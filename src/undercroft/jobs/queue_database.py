"""The connections with which a worker uses the queue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.settings import load


class QueueDatabase(Database):
    """The database with a separate pool and the timeouts of a request, for claims, heartbeats and status updates.

    Its commits are asynchronous: what a server crash may lose only causes a job to run again.
    """

    def __init__(self, database: Database, *, connections: int) -> None:
        limits = load(DatabaseSettings)
        own = {
            "db_pool_size": connections,
            "db_read_pool_size": 1,
            "db_pool": "queue",
            "db_statement_timeout": min(limits.db_statement_timeout, database.settings.db_statement_timeout),
            "db_lock_timeout": min(limits.db_lock_timeout, database.settings.db_lock_timeout),
        }
        settings = database.settings.model_copy(update=own)
        super().__init__(settings, database.url, name="queue", server_settings={"synchronous_commit": "off"})

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[asyncpg.Connection]:
        """Acquire a connection on which every statement commits immediately.

        If the worker is killed between two statements, a message may be claimed without its row being marked, or a job
        may have ended while its message still exists. Both are repaired when the message is delivered again. Raises
        `DatabaseUnavailable` if no connection is free in time, and the errors of the driver.
        """
        acquired = await self.write.acquire()
        try:
            yield acquired.raw
        except BaseException as error:
            acquired.release_after_error(error)
            raise
        acquired.release()
