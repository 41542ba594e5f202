"""Runs a migration history once for each of its statements, kills each run after that statement, and runs it again.

Arguments: the URL of an empty database and the folder of the history. Writes one JSON line per killed run: the
statement, the error of the next run, and the resulting schema and rows. The last line has no statement: that run was
not killed. Processes are forked, which saves importing the application for every run.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Engine, event

from tests.core.db.catalog import catalog
from undercroft.core.db import migrations
from undercroft.core.db.migrations import History

URL, HISTORY = sys.argv[1], History("library", Path(sys.argv[2]), frozenset())
CLEAR = """
DO $$ DECLARE each record; BEGIN
    FOR each IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DROP TABLE %I CASCADE', each.tablename);
    END LOOP;
END $$; DROP TYPE IF EXISTS mood
"""
ROWS = """
SELECT json_build_object('shelf', (SELECT array_agg(id ORDER BY id) FROM shelf),
    'moods', enum_range(NULL::mood)::text[],
    'applied', (SELECT json_agg(m ORDER BY m::text) FROM undercroft_migrations m),
    'invalid', (SELECT count(*) FROM pg_index WHERE NOT indisvalid))
"""


def kill_after(number: int, pipe: int) -> None:
    """Kill this process at the `number`-th point: after a statement that writes, or at the begin after its commit."""
    left, has_written = number, False

    def count(statement: str, *, writes: bool) -> None:
        nonlocal left, has_written
        left, has_written = left - 1, writes
        if left == 0:
            os.write(pipe, statement.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(Engine, "before_cursor_execute")
    def before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if has_written and statement.startswith("SET LOCAL lock_timeout"):
            count("BEGIN", writes=False)

    @event.listens_for(Engine, "after_cursor_execute")
    def after(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.lstrip().startswith(("SET LOCAL", "SELECT")):
            count(statement, writes=True)


def run(number: int) -> str | None:
    """Run the history in a process that is killed at a point; returns the statement, None if it ended before."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        kill_after(number, writer)
        asyncio.run(migrations.upgrade(URL, [HISTORY]))
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as printed:
        statement = printed.read()
    return statement if os.waitstatus_to_exitcode(status) == -signal.SIGKILL else None


async def finish() -> dict[str, Any]:
    """Run the history to its end; returns the error, if any, and the schema and rows."""
    error = ""
    try:
        await migrations.upgrade(URL, [HISTORY])
    except Exception as failure:
        error = repr(failure)
    connection = await asyncpg.connect(URL)
    try:
        return {"error": error, "schema": str(await catalog(URL)), "rows": await connection.fetchval(ROWS)}
    finally:
        await connection.execute(CLEAR)
        await connection.close()


if __name__ == "__main__":
    killed: str | None = "-"
    number = 0
    while killed is not None:
        number += 1
        killed = run(number)
        sys.stdout.write(json.dumps({"statement": killed, **asyncio.run(finish())}) + "\n")
