"""The PostgreSQL of the benchmarks: the embedded one with default fsync and statement counting."""

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.machine import free_port

STATE_FOLDER = Path(".undercroft") / "benchmarks"


@contextmanager
def embedded_postgres() -> Iterator[str]:
    """Run a server with a new data directory; yields the URL of its superuser."""
    from undercroft.devstack import data_dirs
    from undercroft.devstack.postgres import PostgresServer

    _discard(data_dirs)
    STATE_FOLDER.mkdir(parents=True)
    server = PostgresServer(
        STATE_FOLDER, free_port(), secrets.token_hex(16), {"shared_preload_libraries": "pg_stat_statements"}
    )
    server.start()
    try:
        server.wait_until_ready()
        yield server.url
    finally:
        server.stop()
        _discard(data_dirs)


def _discard(data_dirs: Any) -> None:
    data_dirs.delete_data_dir(STATE_FOLDER, "postgres")
    shutil.rmtree(STATE_FOLDER, ignore_errors=True)


async def execute(url: str, *statements: str) -> None:
    """Execute the statements one after another, each in its own transaction."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def copy(connection: asyncpg.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows with COPY; all have the columns of the first."""
    columns = list(rows[0])
    records = [tuple(row[column] for column in columns) for row in rows]
    await connection.copy_records_to_table(table, columns=columns, records=records)


class StatementCount:
    """Counts the statements of one role, including BEGIN and COMMIT, with the server's statistics."""

    def __init__(self, superuser_url: str, role: str) -> None:
        self._url = superuser_url
        self._role = role

    async def reset(self) -> None:
        await execute(
            self._url, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "SELECT pg_stat_statements_reset()"
        )

    async def calls(self) -> int:
        connection = await asyncpg.connect(self._url)
        try:
            return int(await connection.fetchval(_CALLS, self._role) or 0)
        finally:
            await connection.close()


_CALLS = (
    "SELECT sum(calls) FROM pg_stat_statements JOIN pg_roles ON pg_roles.oid = userid WHERE rolname = $1 AND toplevel"
)
