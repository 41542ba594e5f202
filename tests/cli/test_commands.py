"""Successful runs of every command."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from tests.cli.command_runner import PRODUCTION, CommandResult, run_command, run_on_terminal
from undercroft.cli._run import FOLDER

BRACKETS = str.maketrans("()", "  ")
COMMANDS = sorted(["audit", *(path.stem.replace("_", "-") for path in FOLDER.glob("[!_]*.py"))])
GROUPS = {
    "audit": ("prune",),
    "client": ("typescript", "http"),
    "db": ("stop", "start", "status", "url", "reset", "roles"),
    "keys": ("rotate", "list", "secret"),
    "migrate": ("upgrade", "plan", "downgrade", "new", "repair", "status", "check"),
    "user": ("create-admin", "set-password"),
}
ALL_COMMANDS = [(command,) for command in COMMANDS] + [(group, each) for group, all_ in GROUPS.items() for each in all_]


def successful_output(seen: CommandResult) -> str:
    assert seen.code == 0, seen.output
    assert "\x1b" not in seen.output
    return seen.out


@pytest.mark.parametrize("words", ALL_COMMANDS, ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...], tmp_path: Path) -> None:
    out = successful_output(run_command(*words, "--help", folder=tmp_path))
    assert f"undercroft {' '.join(words)}" in out
    assert list(tmp_path.iterdir()) == []


def test_command_without_arguments_lists_all_commands(tmp_path: Path) -> None:
    seen = run_command(folder=tmp_path)
    assert [command for command in COMMANDS if f" {command} " not in seen.out] == []


def test_version_option_prints_the_version(tmp_path: Path) -> None:
    assert successful_output(run_command("--version", folder=tmp_path)).startswith("undercroft 0.")


def test_routes_are_listed_with_full_paths_and_access_requirements(tmp_path: Path) -> None:
    lines = successful_output(run_command("routes", "projects", folder=tmp_path)).splitlines()
    (restore,) = [line.split() for line in lines if "/restore" in line]
    assert restore[:3] == ["POST", "/api/v1/app/projects/{project_id}/restore", "projects:write"]


def test_routes_wrap_no_words_on_a_narrow_terminal(tmp_path: Path) -> None:
    wide, narrow = (
        set(run_on_terminal("routes", folder=tmp_path, columns=columns).translate(BRACKETS).split())
        for columns in (400, 80)
    )
    assert narrow == wide - {"methods", "path", "access", "summary"}


def test_openapi_prints_the_schema_or_writes_it_to_a_file(tmp_path: Path) -> None:
    printed = json.loads(successful_output(run_command("openapi", folder=tmp_path)))
    successful_output(run_command("openapi", "--out", "api.json", folder=tmp_path))
    assert printed["openapi"].startswith("3.1")
    refused = run_command("openapi", "--version", "2", folder=tmp_path)
    assert (refused.code, "The API has no version 2. Versions: 1." in refused.err) == (2, True)
    assert "Everything has a description" in successful_output(run_command("openapi", "--check", folder=tmp_path))
    assert json.loads((tmp_path / "api.json").read_text()) == printed


def test_env_check_accepts_the_file_that_env_write_wrote(tmp_path: Path) -> None:
    successful_output(run_command("env", "--write", folder=tmp_path))
    successful_output(run_command("env", "--check", folder=tmp_path))
    assert (tmp_path / ".env.example").read_text() == successful_output(run_command("env", folder=tmp_path))


def test_keys_secret_is_random_and_accepted_in_production(tmp_path: Path) -> None:
    first, second = (successful_output(run_command("keys", "secret", folder=tmp_path)).strip() for _ in range(2))
    assert first != second
    assert "SECRET_KEY" not in run_command("serve", folder=tmp_path, SECRET_KEY=first).err


def test_new_database_is_migrated_and_gets_a_superadmin(empty_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": empty_database_url, **PRODUCTION}
    assert "older than this release" in run_command("seed", folder=tmp_path, **ours).err
    assert run_command("migrate", "status", folder=tmp_path, **ours).code == 1
    assert "CREATE TABLE users" in successful_output(
        run_command("migrate", "upgrade", "--sql", folder=tmp_path, **ours)
    )
    assert "Applied " in successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    assert "up to date" in successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    assert "none" in successful_output(run_command("migrate", "status", folder=tmp_path, **ours))
    assert "match" in successful_output(run_command("migrate", "check", folder=tmp_path, **ours))
    created = run_command(
        *("user", "create-admin", "Boss@Example.com", "--password-stdin"),
        folder=tmp_path,
        stdin="correct horse battery staple\n",
        **ours,
    )
    assert "Created the superadmin boss@example.com" in successful_output(created)
    again = run_command("user", "create-admin", "boss@example.com", folder=tmp_path, **ours)
    assert "is now a superadmin" in successful_output(again)
    counted = run_command("shell", folder=tmp_path, stdin="print('users:', run(count(User)))\n", **ours)
    assert "users: 1" in successful_output(counted)


@pytest.mark.requires_module("projects")
def test_downgrade_reverts_one_step_and_lists_revisions_when_the_revision_is_invalid(
    migrated_database_url: str, tmp_path: Path
) -> None:
    ours = {"DATABASE_URL": migrated_database_url}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    for revision in ("nonsense", "", "-99", "+1"):
        refused = run_command("migrate", "downgrade", "projects", revision, "--yes", folder=tmp_path, **ours)
        assert refused.code == 2, refused.output
        assert "projects has no revision" in refused.err
        assert "base, 0001_projects" in refused.err
    assert "projects is now at -1" in successful_output(
        run_command("migrate", "downgrade", "projects", "-1", "--yes", folder=tmp_path, **ours)
    )
    assert run_command("migrate", "status", folder=tmp_path, **ours).code == 1


NEWER = """
from sqlalchemy import text
async def f():
  async with database.session() as s:
    await s.execute(text("UPDATE projects_alembic_version SET version_num = '0002_future'"))
    await s.execute(text(
      "INSERT INTO undercroft_migrations VALUES ('projects', '0002_future', '0001_projects', true,"
      " ARRAY['BEGIN', 'ALTER TABLE projects DROP COLUMN color', 'COMMIT'])"))
    await s.execute(text("ALTER TABLE projects ADD COLUMN color text"))

run(f())
"""


@pytest.mark.requires_module("projects")
def test_migrate_repair_reverts_a_migration_without_a_file_after_confirmation(
    migrated_database_url: str, tmp_path: Path
) -> None:
    ours = {"DATABASE_URL": migrated_database_url}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    assert "nothing to repair" in successful_output(run_command("migrate", "repair", folder=tmp_path, **ours))
    successful_output(run_command("shell", folder=tmp_path, stdin=NEWER, **ours))
    status = run_command("migrate", "status", folder=tmp_path, **ours)
    assert (status.code, "0002_future of projects has no file." in status.out) == (1, True), status.output
    refused = run_command("migrate", "new", "colors", folder=tmp_path, **ours)
    assert (refused.code, "undercroft migrate repair" in refused.err) == (2, True), refused.output

    asked = run_command("migrate", "repair", folder=tmp_path, stdin="n\n", **ours)
    assert (asked.code, "DROP COLUMN color" in asked.out) == (1, True), asked.output
    assert "0002_future" in run_command("migrate", "status", folder=tmp_path, **ours).out
    assert "projects is now at 0001_projects." in successful_output(
        run_command("migrate", "repair", "--yes", folder=tmp_path, **ours)
    )

    successful_output(run_command("migrate", "status", folder=tmp_path, **ours))
    assert "match" in successful_output(run_command("migrate", "check", folder=tmp_path, **ours))


def test_lossless_upgrade_stops_with_the_file_and_the_statement(migrated_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": migrated_database_url}
    successful_output(run_command("migrate", "upgrade", "--lossless", folder=tmp_path, **ours))
    successful_output(
        run_command("migrate", "downgrade", "core", "0006_known_places", "--yes", folder=tmp_path, **ours)
    )

    stopped = run_command("migrate", "upgrade", "--lossless", folder=tmp_path, **ours)

    assert stopped.code == 2, stopped.output
    for words in ("0007_join_offers of core can lose data", "0007_join_offers.py", "UPDATE teams SET"):
        assert words in stopped.err
    assert "0006_known_places" in run_command("migrate", "status", folder=tmp_path, **ours).out
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))


@pytest.mark.requires_module("projects")
def test_migrate_new_creates_no_file_when_models_match_the_database(migrated_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": migrated_database_url}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    for more in ((), ("--module", "projects")):
        out = successful_output(run_command("migrate", "new", "colors", *more, folder=tmp_path, **ours))
        assert "there is nothing to migrate" in out
        assert "Created" not in out
    users = run_command("migrate", "new", "colors", "--module", "users", folder=tmp_path, **ours)
    assert (users.code, "its tables belong to the core history" in users.err) == (2, True), users.output


@pytest.mark.parametrize("message", ["", "  ", "!!!", "\x07 bell"])
def test_migrate_new_requires_a_message(migrated_database_url: str, tmp_path: Path, message: str) -> None:
    ours = {"DATABASE_URL": migrated_database_url}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    refused = run_command("migrate", "new", message, folder=tmp_path, **ours)
    assert refused.code == 2
    assert "Describe the change in a few words" in refused.err


def test_database_url_may_contain_connection_options(migrated_database_url: str, tmp_path: Path) -> None:
    more = "sslmode=prefer&channel_binding=prefer&connect_timeout=5&target_session_attrs=read-write&application_name=us"
    ours = {"DATABASE_URL": f"{migrated_database_url}?{more}", **PRODUCTION}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    assert "up to date" in successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    successful_output(run_command("keys", "list", folder=tmp_path, **ours))


def test_shell_runs_subscribers_and_respects_the_tenant_block(migrated_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": migrated_database_url, **PRODUCTION}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    lines = (
        "from uuid import UUID",
        "from undercroft.core.db.tenancy import current_tenant",
        "from undercroft.modules.users import NewUser, UserService",
        "async def make():",
        "  async with database.session() as s:",
        "    await UserService(s).create(NewUser(email='ada@example.com', password_hash=None))",
        "",
        "async def look():",
        "  async with database.read_session() as s:",
        "    kind = (await s.scalars(select(AuditEntry))).one().actor_kind",
        "    print('left:', kind, current_tenant())",
        "",
        "run(make())",
        "with tenant(UUID(int=7)): run(look())",
        "",
        "print('teams:', run(count(Team)))",
    )
    out = successful_output(run_command("shell", folder=tmp_path, stdin="\n".join(lines) + "\n", **ours))
    assert f"left: command {UUID(int=7)}" in out
    assert "teams: 1" in out


def test_create_admin_refuses_a_weak_or_empty_password(migrated_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": migrated_database_url, **PRODUCTION}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    for password in ("", "short", "password123"):
        seen = run_command(
            "user", "create-admin", "a@example.com", "--password-stdin", folder=tmp_path, stdin=f"{password}\n", **ours
        )
        assert seen.code == 1, seen.output
        assert seen.err.startswith("Error: ")
    seen = run_command(
        *("user", "set-password", "unknown@example.com", "--password-stdin"),
        folder=tmp_path,
        stdin="correct horse battery staple\n",
        **ours,
    )
    assert (seen.code, "unknown@example.com" in seen.err) == (1, True)


def test_seed_can_run_twice_in_development(migrated_database_url: str, tmp_path: Path) -> None:
    ours = {
        "DATABASE_URL": migrated_database_url,
        "ENVIRONMENT": "development",
        "DEMO_PASSWORD": "a demo password 123",
        "SECRET_KEY": PRODUCTION["SECRET_KEY"],
    }
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    assert "Seeded " in successful_output(run_command("seed", folder=tmp_path, **ours))
    assert "Seeded " in successful_output(run_command("seed", folder=tmp_path, **ours))


def test_doctor_succeeds_on_a_working_installation(migrated_database_url: str, tmp_path: Path) -> None:
    ours = {
        "DATABASE_URL": migrated_database_url,
        "ENVIRONMENT": "development",
        "SECRET_KEY": PRODUCTION["SECRET_KEY"],
    }
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    out = successful_output(run_command("doctor", folder=tmp_path, **ours))
    assert "✗" not in out
    assert "up to date" in out


def test_migrate_check_temporary_uses_an_embedded_server(tmp_path: Path) -> None:
    assert "match" in successful_output(
        run_command("migrate", "check", "--temporary", folder=tmp_path, DATABASE_URL="postgresql://no/no")
    )


def test_migrate_check_lists_differences_between_models_and_migrations(
    migrated_database_url: str, tmp_path: Path
) -> None:
    ours = {"DATABASE_URL": migrated_database_url}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    alter = (
        "from sqlalchemy import text\n"
        "async def f():\n"
        "  async with database.session() as s: await s.execute(text('ALTER TABLE users DROP COLUMN full_name'))\n\n"
        "run(f())\n"
    )
    run_command("shell", folder=tmp_path, stdin=alter, **ours)
    seen = run_command("migrate", "check", folder=tmp_path, **ours)
    assert seen.code == 1
    assert "core: " in seen.out
    assert "full_name" in seen.out
    assert "undercroft migrate new" in seen.out
