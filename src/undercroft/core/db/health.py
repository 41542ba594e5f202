"""The database as a component of the installation's health."""

import time

from sqlalchemy import literal, select

from undercroft.core.db.pool import Pool
from undercroft.core.db.session import Database
from undercroft.core.db.statement import Statement
from undercroft.core.health import Component

SELECT_ONE = Statement(select(literal(1).label("one")))

WRITE_PROBE = """
BEGIN;
SET LOCAL work_mem = '64kB';
SET LOCAL temp_tablespaces = '';
SELECT count(*) FROM generate_series(1, 5000);
DO $$ BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'the server is read-only' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
END $$;
SELECT pg_current_xact_id();
COMMIT
"""
"""Fails where a write would, and leaves nothing behind.

The series exceeds `work_mem` and goes to a new file where the tables are: on a full disk that fails as a growing table
does. A commit alone does not fail there, because it goes to a WAL segment that has its space already. The transaction
id makes it a commit that waits for the WAL (and for synchronous standbys), and a standby cannot assign one.
"""

WRITE_PROBE_INTERVAL = 1.0
"""Seconds for which a write that succeeded counts, so that asking for readiness often does not load the database."""


class WriteCheck:
    """Whether a pool can write."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._succeeded_at = -WRITE_PROBE_INTERVAL

    async def run(self) -> None:
        """Raises what the driver raises, or `DatabaseUnavailable` without a connection."""
        if time.monotonic() - self._succeeded_at < WRITE_PROBE_INTERVAL:
            return
        borrowed = await self._pool.acquire()
        try:
            await borrowed.raw.execute(WRITE_PROBE)
        except BaseException as error:
            await borrowed.roll_back(error)
            raise
        borrowed.release()
        self._succeeded_at = time.monotonic()


def database_component(database: Database) -> Component:
    """Up while it can be read and written; nothing works without it."""
    write = WriteCheck(database.write)

    async def check() -> None:
        await database.read.fetch(SELECT_ONE)
        await write.run()

    return Component("database", check, required=True)
