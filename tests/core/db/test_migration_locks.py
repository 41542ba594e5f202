"""Migrations of tables in use: traffic does not queue behind them, and they are retried until they can run."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from tests.core.db import migration_files
from tests.core.db.migration_files import execute, write
from undercroft.core.db import migrations
from undercroft.core.db.migrations import History
from undercroft.core.db.migrations.statements import Statement
from undercroft.core.db.migrations.table_locks import find_locks
from undercroft.core.errors import TemporarilyUnavailable

LIMIT = 60
ADD = execute("ALTER TABLE shelf ADD COLUMN size int")
READS_FIRST = f"op.get_bind().exec_driver_sql('SELECT 1').fetchall(); {ADD}"
"""Its statements, and so its locks, are not known before it runs."""


@pytest.fixture
def library(tmp_path: Path) -> History:
    return migration_files.library(tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def reader(empty_database_url: str, library: History) -> AsyncIterator[asyncpg.Connection]:
    """A session with a transaction that has read the table `shelf`."""
    await migrations.upgrade(empty_database_url, [library])
    connection = await asyncpg.connect(empty_database_url, server_settings={"application_name": "report"})
    await connection.execute("BEGIN; SELECT * FROM shelf")
    yield connection
    await connection.close()


@pytest.mark.parametrize("body", [ADD, READS_FIRST], ids=["known locks", "unknown locks"])
async def test_migration_waits_for_a_long_reader_without_blocking_traffic(
    empty_database_url: str, library: History, reader: asyncpg.Connection, body: str
) -> None:
    write(library.folder, "0002_size", "0001_shelf", body)
    reports: asyncio.Queue[str] = asyncio.Queue()
    upgrade = asyncio.create_task(migrations.upgrade(empty_database_url, [library], report=reports.put_nowait))
    assert await asyncio.wait_for(reports.get(), LIMIT) == "library 0002_size"

    traffic = await asyncpg.connect(empty_database_url, command_timeout=LIMIT)
    blocked = ""
    while not blocked:  # a migration that waited for the reader would block this traffic until the reader's end
        await traffic.execute("INSERT INTO shelf (id) SELECT count(*) FROM shelf")
        blocked = "" if reports.empty() else reports.get_nowait()
    pid = await reader.fetchval("SELECT pg_backend_pid()")
    assert blocked.startswith(f"shelf is locked by PID {pid} (report, role ")
    assert "retrying in 1 s" in blocked
    assert not upgrade.done()

    await reader.execute("COMMIT")
    assert await asyncio.wait_for(upgrade, LIMIT) == ["0002_size"]
    assert await traffic.fetchval("SELECT count(size) FROM shelf") == 0
    await traffic.close()


async def test_migration_gives_up_with_the_blocking_session(
    empty_database_url: str, library: History, reader: asyncpg.Connection
) -> None:
    write(library.folder, "0002_size", "0001_shelf", ADD)
    with pytest.raises(TemporarilyUnavailable, match=r"was blocked for 0 s: shelf is locked by PID \d+ \(report"):
        await migrations.upgrade(empty_database_url, [library], lock_wait=0)
    assert await reader.fetchval("SELECT 1") == 1


@pytest.mark.parametrize(
    ("sql", "locks"),
    [
        ("ALTER TABLE shelf ADD COLUMN a INT", {"shelf": "ACCESS EXCLUSIVE"}),
        ("ALTER TABLE public.shelf VALIDATE CONSTRAINT ck", {"shelf": "SHARE UPDATE EXCLUSIVE"}),
        (
            "ALTER TABLE shelf ADD CONSTRAINT fk FOREIGN KEY(a) REFERENCES users (id) NOT VALID",
            {"shelf": "SHARE ROW EXCLUSIVE", "users": "SHARE ROW EXCLUSIVE"},
        ),
        ("CREATE TABLE board (a INT REFERENCES shelf (id)); DROP TABLE board", {"shelf": "SHARE ROW EXCLUSIVE"}),
        ("CREATE UNIQUE INDEX ix ON shelf (a); UPDATE shelf SET a = 1", {"shelf": "SHARE"}),
        ("CREATE INDEX CONCURRENTLY ix ON shelf (a)", {"shelf": "SHARE UPDATE EXCLUSIVE"}),
        ("DROP INDEX ix", {"ix": "ACCESS EXCLUSIVE"}),
        ("LOCK TABLE shelf IN SHARE MODE", {"shelf": "SHARE"}),
        ("CREATE TRIGGER t AFTER INSERT ON shelf EXECUTE FUNCTION f()", {"shelf": "SHARE ROW EXCLUSIVE"}),
        ("INSERT INTO shelf VALUES (1); SELECT 1; COMMENT ON TABLE shelf IS 'x'", {"shelf": "SHARE UPDATE EXCLUSIVE"}),
    ],
)
def test_locks_of_statements_are_known(sql: str, locks: dict[str, str]) -> None:
    assert find_locks([Statement(sql)]) == locks
