"""Health check of the database."""

import time

from sqlalchemy import literal, select

from undercroft.core.db.database import Database
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
"""Fails where a write would fail, without writing rows.

The series exceeds `work_mem` and spills to a new file in the tables' file system: on a full disk that fails as a
growing table does. A commit alone does not fail there, because its WAL segment is already allocated. The transaction id
makes the commit wait for the WAL (and for synchronous standbys); a standby cannot assign one.
"""

WRITE_PROBE_INTERVAL = 1.0
"""Seconds for which a successful write probe is valid, so that frequent readiness checks do not load the database."""


def database_component(database: Database) -> Component:
    """Up while the database can be read and written; required."""
    written_at = -WRITE_PROBE_INTERVAL

    async def check() -> None:
        nonlocal written_at
        await database.read.fetch(SELECT_ONE)
        if time.monotonic() - written_at < WRITE_PROBE_INTERVAL:
            return
        connection = await database.write.acquire()
        try:
            await connection.raw.execute(WRITE_PROBE)
        except BaseException as error:
            await connection.roll_back(error)
            raise
        connection.release()
        written_at = time.monotonic()

    return Component("database", check, required=True)
