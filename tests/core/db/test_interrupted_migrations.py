"""A run of migrations that is killed after any statement is finished by the next run, with the same result."""

import json
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from tests.core.db import migration_files
from tests.core.db.migration_files import execute, write
from undercroft.core.db import migrations
from undercroft.core.db.migrations import History
from undercroft.core.errors import ConfigurationError

BLOCK = "with op.get_context().autocommit_block():"


def _body(*lines: str) -> str:
    return "\n    ".join(lines)


def _outside(*sqls: str) -> str:
    """Statements outside of a transaction."""
    return "\n        ".join([BLOCK, *map(execute, sqls)])


def write_history(folder: Path) -> None:
    """A migration in one transaction, and one that commits in between and outside of transactions."""
    create = [
        "CREATE TABLE shelf (id int)",
        "CREATE UNIQUE INDEX ix_id ON shelf (id)",
        "CREATE TYPE mood AS ENUM ('calm')",
    ]
    write(folder, "0001_shelf", None, _body(*map(execute, [*create, "INSERT INTO shelf VALUES (1)"])))
    outside = (
        "CREATE INDEX CONCURRENTLY ix_size ON shelf (size)",
        "DROP INDEX CONCURRENTLY ix_id",
        "ALTER TYPE mood ADD VALUE 'quiet'",
    )
    body = _body(
        execute("ALTER TABLE shelf ADD COLUMN size int"),
        execute("INSERT INTO shelf VALUES (2)"),
        _outside(*outside),
        execute("INSERT INTO shelf VALUES (3)"),
        "op.create_table('board', sa.Column('id', sa.Integer(), primary_key=True))",
    )
    write(folder, "0002_mixed", "0001_shelf", body, more="import sqlalchemy as sa")


def test_upgrade_killed_after_any_statement_is_finished_by_the_next(empty_database_url: str, tmp_path: Path) -> None:
    write_history(tmp_path)
    words = [sys.executable, "-m", "tests.core.db.killed_upgrade", empty_database_url, str(tmp_path)]
    seen = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert seen.returncode == 0, seen.stderr
    *killed, whole = [json.loads(line) for line in seen.stdout.splitlines()]
    assert (whole["statement"], whole["error"]) == (None, "")
    assert json.loads(whole["rows"])["shelf"] == [1, 2, 3]
    assert [run for run in killed if run != whole | {"statement": run["statement"]}] == []
    statements = " ".join(run["statement"] for run in killed)
    expected = {"BEGIN", "CREATE TABLE shelf", "ix_size", "DROP INDEX", "ADD VALUE", "CREATE TABLE board"}
    assert {word for word in expected if word not in statements} == set()


@pytest.fixture
def library(tmp_path: Path) -> History:
    return migration_files.library(tmp_path)


async def test_invalid_index_of_a_failed_migration_is_replaced(empty_database_url: str, library: History) -> None:
    await migrations.upgrade(empty_database_url, [library])
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("INSERT INTO shelf VALUES (1), (1)")
    write(library.folder, "0002_index", "0001_shelf", _outside("CREATE UNIQUE INDEX CONCURRENTLY ix ON shelf (id)"))
    with pytest.raises(ConfigurationError, match="could not create unique index"):
        await migrations.upgrade(empty_database_url, [library])
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass"
    assert await connection.fetchval(valid) is False

    await connection.execute("DELETE FROM shelf")
    assert await migrations.upgrade(empty_database_url, [library]) == ["0002_index"]
    assert await connection.fetchval(valid) is True
    await connection.close()


async def test_interrupted_migration_whose_statements_changed_is_refused(
    empty_database_url: str, library: History
) -> None:
    await migrations.upgrade(empty_database_url, [library])
    add = execute("ALTER TABLE shelf ADD COLUMN {} int")
    broken = _body(add.format("size"), _outside("nonsense"))
    file = write(library.folder, "0002_half", "0001_shelf", broken)
    with pytest.raises(ConfigurationError, match="nonsense"):
        await migrations.upgrade(empty_database_url, [library])

    write(library.folder, "0002_half", "0001_shelf", broken.replace("size", "width"))
    with pytest.raises(ConfigurationError, match="its statement 1 has changed") as refused:
        await migrations.upgrade(empty_database_url, [library])
    assert str(file) in str(refused.value)

    write(library.folder, "0002_half", "0001_shelf", _body(add.format("size"), _outside("ANALYZE shelf")))
    assert await migrations.upgrade(empty_database_url, [library]) == ["0002_half"]
