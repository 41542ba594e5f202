"""The plan of an upgrade, and the checks before it."""

from pathlib import Path

import asyncpg
import pytest

from tests.core.db import migration_files
from tests.core.db.migration_files import execute, write
from undercroft.core.db import migrations
from undercroft.core.db.migrations import History, plan_upgrade, preflight, table_sizes


@pytest.fixture
def library(tmp_path: Path) -> History:
    return migration_files.library(tmp_path)


async def test_plan_of_an_empty_database_has_no_locks_and_loses_nothing(
    empty_database_url: str, library: History
) -> None:
    write(library.folder, "0002_drop", "0001_shelf", execute("ALTER TABLE shelf DROP COLUMN id"))
    first, second = await plan_upgrade(empty_database_url, [library])
    assert (first.revision, first.statements, first.locks, first.risks) == ("0001_shelf", 1, {}, ())
    assert (second.lossy_statement, second.risks) == (None, ("drop column",))
    assert [check.problem for check in await preflight(empty_database_url, [first, second])] == [""] * 5
    assert (await migrations.get_statuses(empty_database_url, [library]))[0].current is None


async def test_plan_shows_locks_data_loss_and_compatibility(empty_database_url: str, library: History) -> None:
    await migrations.upgrade(empty_database_url, [library])
    drop = execute("ALTER TABLE shelf DROP COLUMN id; CREATE TABLE board (id int)")
    file = write(library.folder, "0002_drop", "0001_shelf", drop, more="backward_compatible = False")
    write(library.folder, "0003_reads", "0002_drop", "op.get_bind().exec_driver_sql('SELECT 1').fetchall()")

    first, second = planned = await plan_upgrade(empty_database_url, [library])

    assert (first.file, first.statements, first.locks) == (file, 2, {"shelf": "ACCESS EXCLUSIVE"})
    assert (first.backward_compatible, second.backward_compatible) == (False, True)
    assert first.lossy_statement is not None
    assert "DROP COLUMN id" in first.lossy_statement
    assert (second.statements, second.locks, second.risks) == (None, {}, ("unchecked",))
    assert set(await table_sizes(empty_database_url, planned)) == {"shelf"}


async def test_plan_knows_that_the_previous_release_does_not_run_unless_accepted(
    empty_database_url: str, library: History
) -> None:
    await migrations.upgrade(empty_database_url, [library])
    rename = execute("ALTER TABLE shelf RENAME TO board")
    write(library.folder, "0002_rename", "0001_shelf", rename)
    (planned,) = await plan_upgrade(empty_database_url, [library])
    assert not planned.backward_compatible
    accepted = 'accepted_risks = {"rename table": "The table was never used."}'
    write(library.folder, "0002_rename", "0001_shelf", rename, more=accepted)
    (planned,) = await plan_upgrade(empty_database_url, [library])
    assert planned.backward_compatible


async def test_preflight_names_what_would_block_the_upgrade(empty_database_url: str, library: History) -> None:
    await migrations.upgrade(empty_database_url, [library])
    write(library.folder, "0002_size", "0001_shelf", execute("ALTER TABLE shelf ADD COLUMN size int"))
    planned = await plan_upgrade(empty_database_url, [library])
    reader = await asyncpg.connect(empty_database_url, server_settings={"application_name": "report"})
    async with reader.transaction():
        await reader.execute("LOCK TABLE shelf IN ACCESS SHARE MODE")
        await reader.execute("SELECT pg_advisory_xact_lock($1)", migrations.runner.LOCK_KEY)
        problems = {check.name: check.problem for check in await preflight(empty_database_url, planned)}
        pid = await reader.fetchval("SELECT pg_backend_pid()")
    await reader.close()
    assert f"PID {pid} is migrating" in problems["no other process is migrating"]
    assert f"shelf is locked by PID {pid} (report, " in problems["the tables are not locked"]


@pytest.mark.skipif("os.environ.get('TEST_DATABASE_URL')", reason="one role for all")
async def test_preflight_refuses_a_role_that_does_not_own_the_tables(database_url: str) -> None:
    planned = migrations.PlannedMigration(
        "core", "0099_x", Path(), 1, {"users": "ACCESS EXCLUSIVE"}, None, backward_compatible=True, risks=()
    )
    problems = [check.problem for check in await preflight(database_url, [planned]) if check.problem]
    assert len([problem for problem in problems if "MIGRATION_DATABASE_URL" in problem]) == 2
    assert any("does not own users" in problem for problem in problems)
