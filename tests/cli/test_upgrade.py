"""`undercroft upgrade` in a project whose database was last upgraded by an earlier release."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from tests.cli.command_runner import CommandResult, run_command
from tests.cli.test_backfill import BACKFILLS, MODELS, REPOSITORY, write, write_migration
from undercroft import __version__

Run = Callable[..., CommandResult]

ROUTES = """
from datetime import date
from undercroft.core.http import Deprecation, Router
shelves = Router(surface="public", prefix="/shelves", tag="Library", deprecation=Deprecation(since=date(2026, 12, 1)))
@shelves.get("", summary="List shelves")
async def list_shelves() -> list[str]:
    return []
"""
CREATE = "CREATE TABLE library_shelves (id int CONSTRAINT pk_library_shelves PRIMARY KEY, label text, old text)"


@pytest.fixture
def run(migrated_database_url: str, tmp_path: Path) -> Run:
    """Runs `undercroft` in a project with the extension `library`, whose first migration is applied."""
    write(tmp_path, "__init__.py", '"""Shelves."""\nfrom undercroft.core import Module\nMODULE = Module()\n')
    write(tmp_path, "models.py", MODELS.format(nullable=True))
    write_migration(tmp_path, "0001_shelves", None, CREATE)

    def run_in_project(*words: str, **environment: str) -> CommandResult:
        own = {"DATABASE_URL": migrated_database_url, "ENABLED_EXTENSIONS": "library", "ENVIRONMENT": "development"}
        return run_command(*words, folder=tmp_path, **own, **environment)

    assert run_in_project("migrate", "upgrade").code == 0
    return run_in_project


@pytest.fixture
async def connection(migrated_database_url: str, run: Run) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(migrated_database_url)
    yield connection
    await connection.close()


async def test_plan_of_the_first_release_names_what_the_upgrade_then_does(
    run: Run, connection: asyncpg.Connection
) -> None:
    assert run("migrate", "downgrade", "core", "0014_canceled_jobs", "--yes").code == 0
    await connection.execute("DROP TABLE undercroft_release")

    planned = run("upgrade", "--plan")
    assert planned.code == 0, planned.output
    assert planned.out.startswith(f"From Undercroft 0.1.0 to Undercroft {__version__}\n\nMigrations\n  core 0015")
    assert "\n  core 0017_team_version\n" in planned.out
    for line in ("  ✓ the tables are not locked", "  0.1.0 runs on the new schema", "  1. Run `undercroft upgrade`."):
        assert line in planned.out, planned.out
    assert "To roll back, start 0.1.0 again: it runs on the new schema." in planned.out
    assert await connection.fetchval("SELECT to_regclass('backfills')") is None

    done = run("upgrade")
    assert (done.code, f"The database is at Undercroft {__version__}." in done.out) == (0, True), done.output
    assert "Now replace the processes: `undercroft serve` and `undercroft worker`." in done.out
    assert await connection.fetchval("SELECT version FROM undercroft_release") == __version__

    plan = json.loads(run("upgrade", "--plan", "--json").out)
    assert (plan["from_version"], plan["migrations"], plan["settings"], plan["obstacles"]) == (__version__, [], [], [])
    assert "\nSteps\n  Nothing to do." in run("upgrade", "--plan").out
    again = run("upgrade")
    assert (again.code, again.out.splitlines()[0]) == (0, "The schema is up to date.")


async def test_upgrade_that_loses_data_and_stops_the_old_release_needs_a_confirmation(
    run: Run, tmp_path: Path, connection: asyncpg.Connection
) -> None:
    drop = "ALTER TABLE library_shelves DROP COLUMN old"
    write_migration(tmp_path, "0002_drop", "0001_shelves", drop, "backward_compatible = False")
    planned = run("upgrade", "--plan")
    assert planned.code == 0, planned.output
    for line in (
        "  1. Back up the database:",
        "  2. Stop all processes of the old release",
        "does not run on the new schema",
    ):
        assert line in planned.out, planned.out
    assert "run `undercroft migrate downgrade library 0001_shelves` with this release" in planned.out
    plan = json.loads(run("upgrade", "--plan", "--json").out)
    assert (plan["loses_data"], plan["previous_release_runs"]) == (True, False)

    refused = run("upgrade")
    assert (refused.code, "Then run `undercroft upgrade --yes`." in refused.err) == (2, True), refused.output
    columns = (
        "SELECT count(*) FROM information_schema.columns WHERE table_name = 'library_shelves' AND column_name = 'old'"
    )
    assert await connection.fetchval(columns) == 1
    assert run("upgrade", "--yes").code == 0
    assert await connection.fetchval(columns) == 0


async def test_plan_shows_changed_settings_backfills_overrides_and_locks(
    run: Run, tmp_path: Path, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        "UPDATE undercroft_release SET version = '0.1.5', settings = settings - 'APP_NAME' || "
        """'{"OLD_NAME": "x", "UNUSED": "", "CAPTCHA_SECONDS": "4", "LOG_LEVEL": "verbose"}'"""
    )
    write(tmp_path, "repository.py", REPOSITORY)
    write(tmp_path, "backfills.py", BACKFILLS)
    write(tmp_path, "routes.py", ROUTES)
    assert run("eject", "auth/verify").code == 0
    copy = tmp_path / "templates/emails/auth/verify.txt"
    copy.write_text(copy.read_text().replace("sha256:", "sha256:0"))

    planned = run("upgrade", "--plan", OLD_NAME="y", CAPTCHA_SECONDS="5")
    assert planned.code == 0, planned.output
    for line in (
        "From Undercroft 0.1.5 to ",
        "  `APP_NAME` added, default `Undercroft`",
        "  `LOG_LEVEL` default changed from `verbose` to ",
        "  `OLD_NAME` removed. This project sets it: remove it.",
        "  `UNUSED` removed\n",
        "  `CAPTCHA_SECONDS` deprecated, use `CAPTCHA_TIMEOUT`. This project sets it.",
        "  environment: UC001: CAPTCHA_SECONDS is deprecated",
        "  library.label: queued; run by workers after the upgrade",
        "Deprecated routes, parameters and fields of this API\n  GET /api/v1/public/ext/library/shelves: Deprecated",
        "Remove the settings that no longer exist: OLD_NAME.",
        "templates/emails/auth/verify.txt: the original has changed",
        "`undercroft eject emails/auth/verify.txt --merged`",
    ):
        assert line in planned.out, planned.out

    copy.write_text(copy.read_text() + "{% if %}")
    write_migration(tmp_path, "0002_size", "0001_shelves", "ALTER TABLE library_shelves ADD size int")
    async with connection.transaction():
        await connection.execute("LOCK TABLE library_shelves IN ACCESS SHARE MODE")
        blocked = run("upgrade", "--plan")
    pid = connection.get_server_pid()
    assert blocked.code == 1
    assert f"✗ the tables are not locked: library_shelves is locked by PID {pid}" in blocked.out
    assert "  1. First: library_shelves is locked" in blocked.out
    refused = run("upgrade")
    assert (refused.code, "verify.txt: line" in refused.err, "Nothing was changed" in refused.err) == (2, True, True)


def test_json_needs_a_plan(run: Run) -> None:
    assert "Use --json together with --plan." in run("upgrade", "--json").err


def test_changelog_is_printed(tmp_path: Path) -> None:
    printed = run_command("changelog", folder=tmp_path)
    assert (printed.code, f"## {__version__} (" in printed.out, "## 0.1.0 (2026-11-30)" in printed.out) == (
        0,
        True,
        True,
    )
