"""Migrations: run once by concurrent processes, each in its own transaction, and consistent with the models."""

import ast
import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel

from tests.core.db import migration_files
from tests.core.db.migration_files import write
from undercroft.app.migrations import find_differences, histories, require_current, upgrade_all
from undercroft.core.db import migrations
from undercroft.core.db.migrations import History, open_migration_connection, recorder, release
from undercroft.core.errors import ConfigurationError, TemporarilyUnavailable
from undercroft.core.telemetry.origin import find_origin


@pytest.fixture
def library(tmp_path: Path) -> History:
    return migration_files.library(tmp_path)


async def test_concurrent_upgrades_migrate_once(empty_database_url: str) -> None:
    runs = await asyncio.gather(*(upgrade_all(empty_database_url) for _ in range(10)))
    assert [revisions for revisions in runs if revisions] == [max(runs, key=len)]
    await require_current(empty_database_url)


async def test_outdated_schema_raises_with_the_command_to_run(empty_database_url: str) -> None:
    with pytest.raises(ConfigurationError, match="undercroft migrate upgrade"):
        await require_current(empty_database_url)


TABLES = """
SELECT relname FROM pg_class
WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
"""


async def test_migrations_match_the_models_and_every_table_is_known(empty_database_url: str) -> None:
    await upgrade_all(empty_database_url)
    assert await find_differences(empty_database_url) == []
    async with open_migration_connection(empty_database_url) as connection:
        rows = await connection.scalars(text(TABLES))
    owned = {table for history in histories() for table in (*history.tables, history.version_table)} | {
        recorder.TABLE.name,
        release.TABLE_NAME,
    }
    assert {table for table in rows.all() if not table.startswith("pgqueuer")} == owned


async def test_retired_column_is_no_difference(migrated_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_migration_connection(migrated_database_url) as connection:
        await connection.execute(text("ALTER TABLE users ADD COLUMN nickname text"))
        await connection.commit()
    (difference,) = await find_differences(migrated_database_url)
    assert "nickname" in difference
    monkeypatch.setitem(SQLModel.metadata.tables["users"].info, "retired_columns", ("nickname",))
    assert await find_differences(migrated_database_url) == []


async def test_failed_migration_preserves_earlier_ones_and_releases_the_lock(
    empty_database_url: str, library: History
) -> None:
    write(
        library.folder,
        "0002_broken",
        "0001_shelf",
        'op.execute("CREATE TABLE half (id int)"); op.execute("nonsense")',
    )
    with pytest.raises(Exception, match="nonsense"):
        await migrations.upgrade(empty_database_url, [library])
    (status,) = await migrations.get_statuses(empty_database_url, [library])
    assert (status.current, status.pending) == ("0001_shelf", ("0002_broken",))
    async with open_migration_connection(empty_database_url) as connection:
        assert await connection.scalar(text("SELECT to_regclass('half')")) is None
    write(library.folder, "0002_broken", "0001_shelf", 'op.execute("CREATE TABLE whole (id int)")')
    assert await migrations.upgrade(empty_database_url, [library], wait=5) == ["0002_broken"]


async def test_index_can_be_created_concurrently(empty_database_url: str, library: History) -> None:
    body = 'with op.get_context().autocommit_block(): op.execute("CREATE INDEX CONCURRENTLY ix_shelf_id ON shelf (id)")'
    write(library.folder, "0002_index", "0001_shelf", body)
    assert await migrations.upgrade(empty_database_url, [library]) == ["0001_shelf", "0002_index"]


async def test_dry_run_prints_only_pending_migrations_and_runs_nothing(
    empty_database_url: str, library: History
) -> None:
    await migrations.upgrade(empty_database_url, [library])
    write(library.folder, "0002_more", "0001_shelf", 'op.execute("CREATE TABLE more (id int)")')
    printed = await migrations.pending_sql(empty_database_url, library)
    assert "CREATE TABLE more" in printed
    assert "CREATE TABLE shelf" not in printed
    (status,) = await migrations.get_statuses(empty_database_url, [library])
    assert status.pending == ("0002_more",)


async def test_message_of_a_new_migration_may_contain_any_characters(empty_database_url: str, library: History) -> None:
    await migrations.upgrade(empty_database_url, [library])

    created = await migrations.create(empty_database_url, library, 'say """hi"""\nto \\ and %s\\')

    assert created.file.name == "0002_say_hi_to_and_s.py"
    assert ast.get_docstring(ast.parse(created.file.read_text())) == 'say """hi""" to \\ and %s\\'


@pytest.mark.parametrize(
    ("revisions", "words"),
    [
        (
            [("0003_c", "0002_b")],
            (
                "0002_b, whose file is missing",
                "0002_b.py",
                "Restore the file",
                "0003_c.py:4\n    down_revision = '0002_b'",
            ),
        ),
        (
            [("0002_b", "0001_shelf"), ("0002_c", "0001_shelf")],
            (
                "0002_b and 0002_c of library",
                "`down_revision`",
                "0002_b.py:4\n    down_revision = '0001_shelf'",
                "0002_c.py:4",
            ),
        ),
        (
            [("0002_b", "0003_c"), ("0003_c", "0002_b")],
            ("have no linear order", "0002_b.py:4\n    down_revision = '0003_c'", "0003_c.py:4"),
        ),
    ],
)
async def test_inconsistent_migration_files_are_named(
    empty_database_url: str, library: History, revisions: list[tuple[str, str]], words: tuple[str, ...]
) -> None:
    for revision, down in revisions:
        write(library.folder, revision, down, "pass")
    with pytest.raises(ConfigurationError) as refused:
        await migrations.upgrade(empty_database_url, [library])
    assert [word for word in words if word not in str(refused.value)] == []


async def test_two_files_with_one_revision_are_named(empty_database_url: str, library: History) -> None:
    copy = library.file("0001_shelf").read_text()
    library.file("0002_copy").write_text(copy)
    with pytest.raises(ConfigurationError, match="Two migrations of library have the revision 0001_shelf") as refused:
        await migrations.upgrade(empty_database_url, [library])
    assert "0001_shelf.py:3\n" in str(refused.value)
    assert '0002_copy.py:3\n    revision = "0001_shelf"' in str(refused.value)


async def test_file_without_a_revision_is_named(empty_database_url: str, library: History) -> None:
    library.file("0002_empty").write_text("x = 1\n")
    with pytest.raises(ConfigurationError, match=r"has no `revision`: .*0002_empty\.py:1\.\nSet `revision`"):
        await migrations.upgrade(empty_database_url, [library])


async def test_failed_statement_is_shown_with_its_line(empty_database_url: str, library: History) -> None:
    file = write(library.folder, "0002_broken", "0001_shelf", 'op.execute("nonsense")')
    with pytest.raises(ConfigurationError, match="failed and was rolled back: syntax error") as refused:
        await migrations.upgrade(empty_database_url, [library])
    assert str(refused.value).endswith(f'{file}:9\n    op.execute("nonsense")')
    assert not isinstance(refused.value, TemporarilyUnavailable)


async def test_migration_canceled_by_the_server_is_temporarily_unavailable(
    empty_database_url: str, library: History
) -> None:
    write(library.folder, "0002_cut", "0001_shelf", "op.execute('SELECT pg_terminate_backend(pg_backend_pid())')")
    with pytest.raises(TemporarilyUnavailable, match="failed and was rolled back"):
        await migrations.upgrade(empty_database_url, [library])


@pytest.mark.parametrize(
    ("body", "error"), [("op.executes('x')", AttributeError), ("nothing", NameError), ("import nothing", ImportError)]
)
async def test_error_in_the_code_of_a_migration_is_raised(
    empty_database_url: str, library: History, body: str, error: type[Exception]
) -> None:
    await migrations.upgrade(empty_database_url, [library])
    file = write(library.folder, "0002_mistake", "0001_shelf", body)
    with pytest.raises(error) as raised:
        await migrations.upgrade(empty_database_url, [library], lossless=True)
    origin = find_origin(raised.value)
    assert origin is not None
    assert (origin.location, origin.source) == (f"{file}:9", body)


async def test_dry_run_names_a_migration_that_needs_the_database(empty_database_url: str, library: History) -> None:
    await migrations.upgrade(empty_database_url, [library])
    write(library.folder, "0002_reads", "0001_shelf", "op.get_bind().exec_driver_sql('SELECT 1').fetchall()")
    write(library.folder, "0003_more", "0002_reads", 'op.execute("CREATE TABLE more (id int)")')
    printed = await migrations.pending_sql(empty_database_url, library)
    assert "-- 0002_reads of library needs a database connection" in printed
    assert "CREATE TABLE more" in printed


async def test_dry_run_prints_percent_signs_unescaped(empty_database_url: str, library: History) -> None:
    write(library.folder, "0002_like", "0001_shelf", "op.execute(\"DELETE FROM shelf WHERE 'a' LIKE '%b'\")")
    assert "LIKE '%b'" in await migrations.pending_sql(empty_database_url, library)


async def test_unreachable_database_raises_one_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="cannot be used: the connection was refused"):
        await migrations.get_statuses("postgresql://me:hunter2@127.0.0.1:1/none", [])
