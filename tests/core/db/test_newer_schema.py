"""Databases with applied migrations that have no file here: from a newer release, another branch, or deleted."""

from pathlib import Path

import asyncpg
import pytest

from tests.core.db import migration_files
from tests.core.db.catalog import catalog
from tests.core.db.migration_files import execute, write
from undercroft.core.db import migrations
from undercroft.core.db.migrations import History, Status
from undercroft.core.errors import ConfigurationError


@pytest.fixture
def library(tmp_path: Path) -> History:
    return migration_files.library(tmp_path)


@pytest.fixture
def bystander(tmp_path: Path) -> History:
    """Another package's history, which must not be changed."""
    folder = tmp_path / "other"
    write(folder, "0001_desk", None, execute("CREATE TABLE desk (id int)"))
    return History("other", folder, frozenset({"desk"}))


async def _status(url: str, history: History) -> Status:
    (status,) = await migrations.get_statuses(url, [history])
    return status


def _newer(library: History, *, more: str = "") -> list[Path]:
    """Two more migrations of a newer release."""
    columns = [("0002_note", "0001_shelf", "note"), ("0003_size", "0002_note", "size")]
    return [
        write(
            library.folder,
            revision,
            down,
            execute(f"ALTER TABLE shelf ADD COLUMN {name} text"),
            undo=execute(f"ALTER TABLE shelf DROP COLUMN {name}"),
            more=more,
        )
        for revision, down, name in columns
    ]


async def test_newer_schema_is_recognized_by_its_recorded_migrations(empty_database_url: str, library: History) -> None:
    files = _newer(library)
    await migrations.upgrade(empty_database_url, [library])
    for file in files:
        file.unlink()

    status = await _status(empty_database_url, library)

    assert [missing.revision for missing in status.missing] == ["0003_size", "0002_note"]
    assert (status.known, status.pending, status.is_newer, status.blocking_revision) == ("0001_shelf", (), True, None)
    assert await migrations.upgrade(empty_database_url, [library]) == []


async def test_incompatible_newer_migration_is_named(empty_database_url: str, library: History) -> None:
    files = _newer(library)
    files[0].write_text(files[0].read_text() + "\nbackward_compatible = False\n")
    await migrations.upgrade(empty_database_url, [library])
    for file in files:
        file.unlink()

    assert (await _status(empty_database_url, library)).blocking_revision == "0002_note"


async def test_newer_schema_without_a_record_counts_as_compatible(empty_database_url: str, library: History) -> None:
    await migrations.upgrade(empty_database_url, [library])
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("UPDATE library_alembic_version SET version_num = '0009_future'")
    await connection.execute("DROP TABLE undercroft_migrations")
    await connection.close()

    status = await _status(empty_database_url, library)

    assert (status.known, status.is_newer, status.blocking_revision) == ("0001_shelf", True, None)


async def test_database_of_another_branch_is_not_upgraded_before_a_repair(
    empty_database_url: str, library: History, bystander: History
) -> None:
    files = _newer(library)
    await migrations.upgrade(empty_database_url, [library, bystander])
    for file in files:
        file.unlink()
    write(library.folder, "0002_other", "0001_shelf", execute("ALTER TABLE shelf ADD COLUMN other text"))

    with pytest.raises(ConfigurationError, match=r"0003_size\.py") as refused:
        await migrations.upgrade(empty_database_url, [library, bystander])
    assert "undercroft migrate repair" in str(refused.value)
    assert await migrations.upgrade(empty_database_url, [library, bystander], lossless=True) == []
    (repair,) = await migrations.find_repairs(empty_database_url, [library, bystander])
    await migrations.apply_repair(empty_database_url, repair)

    assert await migrations.upgrade(empty_database_url, [library, bystander]) == ["0002_other"]
    assert await _columns(empty_database_url) == ["id", "other"]
    assert (await _status(empty_database_url, bystander)).current == "0001_desk"


async def test_repair_reverts_to_the_schema_of_the_existing_files(empty_database_url: str, library: History) -> None:
    await migrations.upgrade(empty_database_url, [library])
    before = await catalog(empty_database_url)
    files = _newer(library)
    await migrations.upgrade(empty_database_url, [library])
    for file in files:
        file.unlink()

    (repair,) = await migrations.find_repairs(empty_database_url, [library])
    await migrations.apply_repair(empty_database_url, repair)

    assert await catalog(empty_database_url) == before
    assert await migrations.find_repairs(empty_database_url, [library]) == []
    assert (await _status(empty_database_url, library)).current == "0001_shelf"


async def test_stamp_only_marks_migrations_as_reverted(empty_database_url: str, library: History) -> None:
    files = _newer(library)
    await migrations.upgrade(empty_database_url, [library])
    for file in files:
        file.unlink()

    (repair,) = await migrations.find_repairs(empty_database_url, [library])
    await migrations.apply_repair(empty_database_url, repair, stamp=True)

    assert await _columns(empty_database_url) == ["id", "note", "size"]
    assert (await _status(empty_database_url, library)).current == "0001_shelf"
    assert await migrations.find_repairs(empty_database_url, [library]) == []


async def test_repair_reverts_nothing_when_a_migration_needs_python(empty_database_url: str, library: History) -> None:
    file = write(
        library.folder,
        "0002_note",
        "0001_shelf",
        execute("ALTER TABLE shelf ADD COLUMN note text"),
        undo="op.get_bind().execute(1)",
    )
    await migrations.upgrade(empty_database_url, [library])
    file.unlink()
    (repair,) = await migrations.find_repairs(empty_database_url, [library])
    assert repair.statements is None
    with pytest.raises(ConfigurationError, match="migrate repair --stamp"):
        await migrations.apply_repair(empty_database_url, repair)
    assert await _columns(empty_database_url) == ["id", "note"]


async def test_failing_stored_statement_reverts_nothing(empty_database_url: str, library: History) -> None:
    undo = f"{execute('ALTER TABLE shelf DROP COLUMN note')}; {execute('DROP TABLE nowhere')}"
    file = write(
        library.folder, "0002_note", "0001_shelf", execute("ALTER TABLE shelf ADD COLUMN note text"), undo=undo
    )
    await migrations.upgrade(empty_database_url, [library])
    file.unlink()
    (repair,) = await migrations.find_repairs(empty_database_url, [library])
    with pytest.raises(ConfigurationError, match="DROP TABLE nowhere"):
        await migrations.apply_repair(empty_database_url, repair)
    assert await _columns(empty_database_url) == ["id", "note"]
    assert (await _status(empty_database_url, library)).current == "0002_note"


async def test_downgrade_names_the_missing_file(empty_database_url: str, library: History) -> None:
    files = _newer(library)
    await migrations.upgrade(empty_database_url, [library])
    files[1].unlink()
    with pytest.raises(ConfigurationError, match=r"0003_size\.py"):
        await migrations.downgrade(empty_database_url, library, "base")
    assert await _columns(empty_database_url) == ["id", "note", "size"]


async def test_downgrade_removes_the_migration_from_the_record(empty_database_url: str, library: History) -> None:
    _newer(library)
    await migrations.upgrade(empty_database_url, [library])
    await migrations.downgrade(empty_database_url, library, "-1")
    connection = await asyncpg.connect(empty_database_url)
    try:
        rows = await connection.fetch("SELECT revision FROM undercroft_migrations ORDER BY 1")
    finally:
        await connection.close()
    assert [row["revision"] for row in rows] == ["0001_shelf", "0002_note"]


async def test_lossless_upgrade_stops_before_the_first_lossy_migration(
    empty_database_url: str, library: History
) -> None:
    await migrations.upgrade(empty_database_url, [library])
    _newer(library)
    write(library.folder, "0004_less", "0003_size", execute("ALTER TABLE shelf DROP COLUMN note"))
    write(library.folder, "0005_more", "0004_less", execute("ALTER TABLE shelf ADD COLUMN more text"))

    assert await migrations.upgrade(empty_database_url, [library], lossless=True) == ["0002_note", "0003_size"]
    lossy = await migrations.find_lossy_migration(empty_database_url, [library])

    assert lossy is not None
    assert (lossy.history, lossy.revision, lossy.file) == ("library", "0004_less", library.file("0004_less"))
    assert lossy.statement.startswith("ALTER TABLE shelf DROP COLUMN note")
    assert await migrations.upgrade(empty_database_url, [library], lossless=True) == []
    assert await migrations.upgrade(empty_database_url, [library]) == ["0004_less", "0005_more"]
    assert await migrations.find_lossy_migration(empty_database_url, [library]) is None


async def test_lossless_upgrade_does_not_run_migrations_that_cannot_be_rendered_as_sql(
    empty_database_url: str, library: History
) -> None:
    await migrations.upgrade(empty_database_url, [library])
    write(library.folder, "0002_python", "0001_shelf", "op.get_bind().exec_driver_sql('DELETE FROM shelf')")
    assert await migrations.upgrade(empty_database_url, [library], lossless=True) == []
    lossy = await migrations.find_lossy_migration(empty_database_url, [library])
    assert lossy is not None
    assert lossy.statement == "Python code that reads or writes rows"


async def test_lossless_upgrade_runs_everything_on_an_empty_database(empty_database_url: str, library: History) -> None:
    write(library.folder, "0002_clean", "0001_shelf", f"{execute('DELETE FROM shelf')}; {execute('SELECT 1')}")
    revisions = await migrations.upgrade(empty_database_url, [library], lossless=True)
    assert revisions == ["0001_shelf", "0002_clean"]


async def _columns(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'shelf' ORDER BY 1"
        )
    finally:
        await connection.close()
    return [row["name"] for row in rows]
