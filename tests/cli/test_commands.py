"""What every command does when it is used as intended."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from tests.cli.command_runner import PRODUCTION, CommandResult, run_command, run_on_terminal
from undercroft.cli._run import FOLDER

BRACKETS = str.maketrans("()", "  ")
COMMANDS = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
GROUPS = {
    "db": ("stop", "start", "status", "url", "reset", "roles"),
    "keys": ("rotate", "list", "secret"),
    "migrate": ("upgrade", "downgrade", "new", "repair", "status", "check"),
    "user": ("create-admin", "set-password"),
}
ALL_COMMANDS = [(command,) for command in COMMANDS] + [(group, each) for group, all_ in GROUPS.items() for each in all_]


def successful_output(seen: CommandResult) -> str:
    assert seen.code == 0, seen.output
    assert "\x1b" not in seen.output
    return seen.out


@pytest.mark.parametrize("words", ALL_COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...], tmp_path: Path) -> None:
    out = successful_output(run_command(*words, "--help", folder=tmp_path))
    assert f"undercroft {' '.join(words)}" in out
    assert list(tmp_path.iterdir()) == []


def test_the_bare_command_lists_all_of_them(tmp_path: Path) -> None:
    seen = run_command(folder=tmp_path)
    assert [command for command in COMMANDS if f" {command} " not in seen.out] == []


def test_the_version_can_be_asked_for(tmp_path: Path) -> None:
    assert successful_output(run_command("--version", folder=tmp_path)).startswith("undercroft 0.")


def test_routes_are_listed_whole_and_with_who_may_call_them(tmp_path: Path) -> None:
    lines = successful_output(run_command("routes", "projects", folder=tmp_path)).splitlines()
    (restore,) = [line.split() for line in lines if "/restore" in line]
    assert restore[:3] == ["POST", "/api/v1/app/projects/{project_id}/restore", "projects:write"]


def test_routes_break_no_word_on_a_narrow_terminal(tmp_path: Path) -> None:
    wide, narrow = (
        set(run_on_terminal("routes", folder=tmp_path, columns=columns).translate(BRACKETS).split())
        for columns in (400, 80)
    )
    assert narrow == wide - {"methods", "path", "who", "what"}


def test_the_schema_is_openapi_and_can_be_written_to_a_file(tmp_path: Path) -> None:
    printed = json.loads(successful_output(run_command("openapi", folder=tmp_path)))
    successful_output(run_command("openapi", "--out", "api.json", folder=tmp_path))
    assert printed["openapi"].startswith("3.1")
    assert json.loads((tmp_path / "api.json").read_text()) == printed


def test_the_example_that_was_written_is_fresh(tmp_path: Path) -> None:
    successful_output(run_command("env", "--write", folder=tmp_path))
    successful_output(run_command("env", "--check", folder=tmp_path))
    assert (tmp_path / ".env.example").read_text() == successful_output(run_command("env", folder=tmp_path))


def test_a_printed_secret_is_good_enough_for_production_and_never_the_same(tmp_path: Path) -> None:
    first, second = (successful_output(run_command("keys", "secret", folder=tmp_path)).strip() for _ in range(2))
    assert first != second
    assert "SECRET_KEY" not in run_command("serve", folder=tmp_path, SECRET_KEY=first).err


def test_the_first_steps_on_a_database_of_ones_own(empty_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": empty_database_url, **PRODUCTION}
    assert "older than this program" in run_command("seed", folder=tmp_path, **ours).err
    assert run_command("migrate", "status", folder=tmp_path, **ours).code == 1
    assert "CREATE TABLE users" in successful_output(
        run_command("migrate", "upgrade", "--sql", folder=tmp_path, **ours)
    )
    assert "Ran " in successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    assert "up to date" in successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    assert "nothing" in successful_output(run_command("migrate", "status", folder=tmp_path, **ours))
    assert "agree" in successful_output(run_command("migrate", "check", folder=tmp_path, **ours))
    created = run_command(
        *("user", "create-admin", "Boss@Example.com", "--password-stdin"),
        folder=tmp_path,
        stdin="correct horse battery staple\n",
        **ours,
    )
    assert "boss@example.com is a superadmin" in successful_output(created)
    again = run_command("user", "create-admin", "boss@example.com", folder=tmp_path, **ours)
    assert "is a superadmin now" in successful_output(again)
    counted = run_command("shell", folder=tmp_path, stdin="print('people:', run(count(User)))\n", **ours)
    assert "people: 1" in successful_output(counted)


def test_a_history_goes_back_by_steps_and_names_its_revisions_where_it_cannot(
    empty_database_url: str, tmp_path: Path
) -> None:
    ours = {"DATABASE_URL": empty_database_url}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    for revision in ("nonsense", "", "-99", "+1"):
        refused = run_command("migrate", "downgrade", "projects", revision, "--yes", folder=tmp_path, **ours)
        assert refused.code == 2, refused.output
        assert "projects cannot go back to" in refused.err
        assert "base, 0001_projects" in refused.err
    assert "projects is at -1" in successful_output(
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
      " ARRAY['BEGIN', 'ALTER TABLE projects DROP COLUMN colour', 'COMMIT'])"))
    await s.execute(text("ALTER TABLE projects ADD COLUMN colour text"))

run(f())
"""


def test_repair_undoes_a_migration_without_a_file_after_asking(empty_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": empty_database_url}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    assert "nothing to repair" in successful_output(run_command("migrate", "repair", folder=tmp_path, **ours))
    successful_output(run_command("shell", folder=tmp_path, stdin=NEWER, **ours))
    status = run_command("migrate", "status", folder=tmp_path, **ours)
    assert (status.code, "0002_future of projects has no file here" in status.out) == (1, True), status.output
    refused = run_command("migrate", "new", "colours", folder=tmp_path, **ours)
    assert (refused.code, "undercroft migrate repair" in refused.err) == (2, True), refused.output

    asked = run_command("migrate", "repair", folder=tmp_path, stdin="n\n", **ours)
    assert (asked.code, "DROP COLUMN colour" in asked.out) == (1, True), asked.output
    assert "0002_future" in run_command("migrate", "status", folder=tmp_path, **ours).out
    assert "projects is at 0001_projects." in successful_output(
        run_command("migrate", "repair", "--yes", folder=tmp_path, **ours)
    )

    successful_output(run_command("migrate", "status", folder=tmp_path, **ours))
    assert "agree" in successful_output(run_command("migrate", "check", folder=tmp_path, **ours))


def test_lossless_upgrade_stops_with_the_file_and_the_statement(empty_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": empty_database_url}
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


def test_new_writes_nothing_when_nothing_differs(empty_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": empty_database_url}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    for more in ((), ("--module", "projects")):
        out = successful_output(run_command("migrate", "new", "colours", *more, folder=tmp_path, **ours))
        assert "there is nothing to migrate" in out
        assert "Wrote" not in out
    users = run_command("migrate", "new", "colours", "--module", "users", folder=tmp_path, **ours)
    assert (users.code, "their tables are the core's" in users.err) == (2, True), users.output


@pytest.mark.parametrize("message", ["", "  ", "!!!", "\x07 bell"])
def test_a_migration_wants_a_name(empty_database_url: str, tmp_path: Path, message: str) -> None:
    ours = {"DATABASE_URL": empty_database_url}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    refused = run_command("migrate", "new", message, folder=tmp_path, **ours)
    assert refused.code == 2
    assert "Say in a few words what changes" in refused.err


def test_a_database_url_may_say_more_than_where_the_database_is(empty_database_url: str, tmp_path: Path) -> None:
    more = "sslmode=prefer&channel_binding=prefer&connect_timeout=5&target_session_attrs=read-write&application_name=us"
    ours = {"DATABASE_URL": f"{empty_database_url}?{more}", **PRODUCTION}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    assert "up to date" in successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    successful_output(run_command("keys", "list", folder=tmp_path, **ours))


def test_what_is_done_in_a_shell_is_told_to_all_modules_and_works_on_the_team_of_its_block(
    empty_database_url: str, tmp_path: Path
) -> None:
    ours = {"DATABASE_URL": empty_database_url, **PRODUCTION}
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


def test_a_weak_or_empty_password_is_refused_with_the_reason(empty_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": empty_database_url, **PRODUCTION}
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    for password in ("", "short", "password123"):
        seen = run_command(
            "user", "create-admin", "a@example.com", "--password-stdin", folder=tmp_path, stdin=f"{password}\n", **ours
        )
        assert seen.code == 1, seen.output
        assert seen.err.startswith("Error: ")
    seen = run_command(
        *("user", "set-password", "nobody@example.com", "--password-stdin"),
        folder=tmp_path,
        stdin="correct horse battery staple\n",
        **ours,
    )
    assert (seen.code, "nobody@example.com" in seen.err) == (1, True)


def test_demo_data_can_be_made_twice_in_development(empty_database_url: str, tmp_path: Path) -> None:
    ours = {
        "DATABASE_URL": empty_database_url,
        "ENVIRONMENT": "development",
        "DEMO_PASSWORD": "a demo password 123",
        "SECRET_KEY": PRODUCTION["SECRET_KEY"],
    }
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    assert "Seeded " in successful_output(run_command("seed", folder=tmp_path, **ours))
    assert "Seeded " in successful_output(run_command("seed", folder=tmp_path, **ours))


def test_the_doctor_is_content_with_a_sound_installation(empty_database_url: str, tmp_path: Path) -> None:
    ours = {
        "DATABASE_URL": empty_database_url,
        "ENVIRONMENT": "development",
        "SECRET_KEY": PRODUCTION["SECRET_KEY"],
    }
    successful_output(run_command("migrate", "upgrade", folder=tmp_path, **ours))
    out = successful_output(run_command("doctor", folder=tmp_path, **ours))
    assert "✗" not in out
    assert "up to date" in out


def test_models_are_compared_on_a_server_made_for_it(tmp_path: Path) -> None:
    assert "agree" in successful_output(
        run_command("migrate", "check", "--temporary", folder=tmp_path, DATABASE_URL="postgresql://no/no")
    )


def test_a_difference_between_models_and_migrations_is_named(empty_database_url: str, tmp_path: Path) -> None:
    ours = {"DATABASE_URL": empty_database_url}
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
