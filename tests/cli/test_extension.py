"""`undercroft extension`: enable and disable edit `.env`, removal leaves nothing of an extension in the database."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from tests.app.test_extensions import MODULE, ROUTES
from tests.cli.command_runner import CommandResult, run_command
from undercroft.core.ids import new_id
from undercroft.devstack.postgres import dump_schema

Run = Callable[..., CommandResult]

MIGRATION = """\
import sqlalchemy as sa
from alembic import op
revision = "0001_rooms"
down_revision = None
def upgrade() -> None:
    op.create_table(
        "hotel_rooms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_hotel_rooms_team_id_teams", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_hotel_rooms"),
    )
def downgrade() -> None:
    op.drop_table("hotel_rooms")
"""
MODELS = """\
from uuid import UUID
from sqlmodel import Field, SQLModel
from undercroft.core.db import Privacy
class Room(SQLModel, table=True):
    __tablename__ = "hotel_rooms"
    __privacy__ = Privacy("the team", "always")
    id: UUID = Field(primary_key=True)
    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE")
"""
PERMISSIONS = """\
from undercroft.core.auth import Permission
from undercroft.modules.teams import ALL_ROLES
PERMISSIONS = (Permission("rooms:read", "Read rooms.", ALL_ROLES),)
"""
FILES = {
    "__init__.py": MODULE.format(""),
    "models.py": MODELS,
    "permissions.py": PERMISSIONS,
    "routes.py": ROUTES.replace("self_only=True", 'permission="rooms:read"'),
    "migrations/versions/0001_rooms.py": MIGRATION,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        file = tmp_path / "extensions" / "hotel" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


@pytest.fixture
def run(project: Path) -> Run:
    """A function that runs `undercroft` in a project with the disabled extension `hotel`."""

    def run_in_project(*words: str, **environment: str) -> CommandResult:
        settings = {"ENVIRONMENT": "development", "PYTHONDONTWRITEBYTECODE": "1"}
        return run_command(*words, folder=project, **settings, **environment)

    return run_in_project


def test_enable_and_disable_change_only_the_list(project: Path, run: Run) -> None:
    file = project / ".env"
    text = '# own\nexport ENABLED_EXTENSIONS=  # none\r\nAPP_NAME="a # b"\nPORT=8000'
    file.write_bytes(text.encode())
    file.chmod(0o640)
    assert "disabled" in run("extension", "list").out
    assert run("extension", "enable", "hotel").code == 0
    assert file.read_bytes().decode() == text.replace("EXTENSIONS=", "EXTENSIONS=hotel")
    assert file.stat().st_mode & 0o777 == 0o640
    assert "enabled" in run("extension", "list").out
    assert "/api/v1/app/ext/hotel/rooms" in run("routes").out
    assert run("extension", "disable", "hotel").code == 0
    assert file.read_bytes().decode() == text.replace("EXTENSIONS=", "EXTENSIONS=[]")
    assert "/api/v1/app/ext/hotel/rooms" not in run("routes").out
    assert [each.name for each in project.iterdir() if each.name.startswith(".env")] == [".env"]


def test_enable_creates_an_env_file_that_only_its_owner_can_read(project: Path, run: Run) -> None:
    assert "undercroft migrate upgrade" in run("extension", "enable", "hotel").out
    assert (project / ".env").read_text() == "ENABLED_EXTENSIONS=hotel\n"
    assert (project / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("enable", "hotle"), 2, "There is no extension hotle. Did you mean hotel?"),
        (("enable", "../hotel"), 2, "There is no extension ../hotel."),
        (("disable", "spa"), 2, "See `undercroft extension list`."),
        (("disable", "hotel"), 0, "hotel is not enabled."),
        (("remove", "hotel"), 0, "Delete the folder extensions/hotel"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_other_names_are_refused(run: Run, words: tuple[str, ...], code: int, message: str, project: Path) -> None:
    result = run("extension", *words)
    assert (result.code, message in result.output) == (code, True), result
    assert not (project / ".env").exists()


def test_broken_extension_is_not_enabled(project: Path, run: Run) -> None:
    (project / "extensions/hotel/service.py").write_text("\nfrom undercroft.app import api\n")
    result = run("extension", "enable", "hotel")
    assert (result.code, "hotel/service.py:2" in result.err) == (1, True)
    assert not (project / ".env").exists()


def test_list_in_the_environment_is_not_overruled(project: Path, run: Run) -> None:
    result = run("extension", "enable", "hotel", ENABLED_EXTENSIONS="spa")
    assert (result.code, "ENABLED_EXTENSIONS=spa,hotel" in result.err) == (2, True)
    assert not (project / ".env").exists()


TRACES = """
INSERT INTO teams (id, name, slug, created_at, updated_at) VALUES ('{team}', 'A', 'a', now(), now());
INSERT INTO hotel_rooms (id, team_id) VALUES (gen_random_uuid(), '{team}');
INSERT INTO team_roles (id, team_id, name, description, permissions, created_at, updated_at)
    VALUES (gen_random_uuid(), '{team}', 'front', '', '{{projects:read,rooms:read}}', now(), now());
INSERT INTO api_keys (id, team_id, name, prefix, secret_hash, last_used_ip, scopes, created_at, updated_at)
    VALUES (gen_random_uuid(), '{team}', 'key', '1', '1', '', '{{rooms:read}}', now(), now());
INSERT INTO job_schedules (task, cron, timezone, next_run_at, seen_at)
    SELECT name, '0 3 * * *', 'UTC', now(), now() FROM unnest(ARRAY['hotel.clean_up', 'hotels.clean_up']) AS name;
INSERT INTO jobs (id, task, queue, status, priority, attempts, max_attempts, lost, args, cancel_requested, scheduled_at,
        created_at, updated_at)
    SELECT gen_random_uuid(), name, 'default', 'queued', 0, 0, 1, 0, '{{}}', false, now(), now(), now()
    FROM unnest(ARRAY['hotel.clean_up', 'hotels.clean_up']) AS name;
"""
"""What an extension leaves in the core's tables, and similar rows of others."""


async def insert_traces(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(TRACES.format(team=new_id()))
    await connection.close()


async def read_traces(url: str) -> dict[str, list[object]]:
    connection = await asyncpg.connect(url)
    queries = {
        "jobs": "SELECT task FROM jobs",
        "schedules": "SELECT task FROM job_schedules",
        "grants": "SELECT permissions FROM team_roles",
        "scopes": "SELECT scopes FROM api_keys",
        "migrations": "SELECT revision FROM undercroft_migrations WHERE history = 'hotel'",
    }
    found = {name: [row[0] for row in await connection.fetch(query)] for name, query in queries.items()}
    await connection.close()
    return found


REMOVED = {
    "jobs": ["hotels.clean_up"],
    "schedules": ["hotels.clean_up"],
    "grants": [["projects:read"]],
    "scopes": [[]],
    "migrations": [],
}


@pytest.mark.requires_module("api_keys")
async def test_removal_leaves_nothing_of_an_extension(run: Run, project: Path, migrated_database_url: str) -> None:
    database = {"DATABASE_URL": migrated_database_url}
    before = dump_schema(migrated_database_url)
    assert run("extension", "enable", "hotel").code == 0
    assert "hotel 0001_rooms" in run("migrate", "upgrade", **database).out
    await insert_traces(migrated_database_url)
    assert dump_schema(migrated_database_url) != before
    refused = run("extension", "remove", "hotel", "--drop-data", stdin="n\n", **database)
    assert (refused.code, "Nothing was changed." in refused.err) == (1, True)
    assert dump_schema(migrated_database_url) != before
    removed = run("extension", "remove", "hotel", "--drop-data", "--yes", **database)
    assert (removed.code, "Reverted 1 migration of hotel and deleted 1 job." in removed.out) == (0, True), removed
    assert dump_schema(migrated_database_url) == before
    assert await read_traces(migrated_database_url) == REMOVED
    assert (project / ".env").read_text() == "ENABLED_EXTENSIONS=[]\n"
    again = run("extension", "remove", "hotel", "--drop-data", "--yes", **database)
    assert (again.code, "Reverted 0 migrations" in again.out) == (0, True)


FIELDS = """\
from sqlmodel import Field
from undercroft.core.db import ExtraFields
from undercroft.modules.users import User
class GuestFields(ExtraFields, entity=User):
    nights: int = Field(default=0, description="Nights stayed.")
"""


async def test_extra_fields_are_migrated_and_removed(run: Run, project: Path, migrated_database_url: str) -> None:
    database = {"DATABASE_URL": migrated_database_url}
    before = dump_schema(migrated_database_url)
    assert run("extension", "enable", "hotel").code == 0
    assert run("migrate", "upgrade", **database).code == 0
    write_files(project, {"fields.py": FIELDS})
    assert run("migrate", "new", "User fields", **database).code == 0
    assert "hotel 0002_user_fields" in run("migrate", "upgrade", **database).out
    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute(
        "INSERT INTO users (id, email, full_name, locale, timezone, role, is_active, created_at, updated_at) "
        "VALUES ($1, 'a@b.example', '', 'en', 'UTC', 'user', true, now(), now())",
        new_id(),
    )
    await connection.execute("INSERT INTO hotel_user_fields (id) SELECT id FROM users")
    added = '    level: str = Field(default="no\'ne", max_length=20, description="Level.")\n'
    write_files(project, {"fields.py": FIELDS + added})
    assert run("migrate", "new", "Level", **database).code == 0
    upgraded = run("migrate", "upgrade", **database)
    assert "hotel 0003_level" in upgraded.out, upgraded
    assert await connection.fetchval("SELECT level FROM hotel_user_fields") == "no'ne"
    await connection.close()
    checked = run("migrate", "check", **database)
    assert checked.code == 0, checked
    assert run("extension", "remove", "hotel", "--drop-data", "--yes", **database).code == 0
    assert dump_schema(migrated_database_url) == before


async def test_missing_package_blocks_nothing_and_its_data_can_be_removed(
    run: Run, project: Path, migrated_database_url: str
) -> None:
    database = {"DATABASE_URL": migrated_database_url}
    before = dump_schema(migrated_database_url)
    assert run("extension", "enable", "hotel").code == 0
    assert run("migrate", "upgrade", **database).code == 0
    shutil.rmtree(project / "extensions/hotel")
    assert "missing" in run("extension", "list").out
    refused = run("migrate", "upgrade", **database)
    assert (refused.code, "undercroft extension disable hotel" in refused.err) == (2, True)
    assert run("extension", "disable", "hotel").code == 0
    assert run("migrate", "upgrade", **database).code == 0
    assert run("migrate", "status", **database).code == 0
    assert run("extension", "remove", "hotel", "--drop-data", "--yes", **database).code == 0
    assert dump_schema(migrated_database_url) == before
    unknown = run("extension", "remove", "hotel", "--drop-data", "--yes", **database)
    assert (unknown.code, "There is no extension hotel" in unknown.err) == (2, True)


async def test_data_is_not_removed_while_a_worker_has_the_extension(run: Run, migrated_database_url: str) -> None:
    database = {"DATABASE_URL": migrated_database_url}
    assert run("extension", "enable", "hotel").code == 0
    assert run("migrate", "upgrade", **database).code == 0
    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute(
        "INSERT INTO job_workers (id, host, pid, queues, concurrency, tasks, started_at, seen_at) "
        "VALUES ($1, 'web-1', 7, '', 1, '{auth.send_mail,hotel.clean_up}', now(), now())",
        new_id(),
    )
    refused = run("extension", "remove", "hotel", "--drop-data", "--yes", **database)
    assert (refused.code, "web-1 (process 7)" in refused.err) == (2, True)
    assert await connection.fetchval("SELECT to_regclass('hotel_rooms') IS NOT NULL")
    await connection.close()


TESTS = {
    "tests/test_rooms.py": "def test_rooms() -> None: ...\n",
    "testing.py": "from extensions.hotel.models import Room\n"
    "from undercroft.testing import new_row\nIDS = {'room_id': new_row(Room)}\n",
    "README.md": "# Hotel\n\n" + "Rooms of a team. " * 5,
}
RAW_MIGRATION = MIGRATION.replace(
    'op.drop_table("hotel_rooms")', 'op.execute("ALTER TABLE hotel_rooms RENAME TO hotel_old")'
).replace("    op.create_table(", '    op.execute("CREATE INDEX hotel_users ON users (locale)")\n    op.create_table(')


def write_files(project: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        file = project / "extensions/hotel" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_check_accepts_an_extension_that_follows_all_rules(project: Path, run: Run) -> None:
    write_files(project, TESTS)
    result = run("extension", "check", "hotel", "--json")
    grades = json.loads(result.out)
    assert [grade for grade in grades if grade["status"] != "ok"] == []
    assert (result.code, grades[-1]["rule"]) == (0, "migrations can be reverted")
    assert not (project / ".env").exists()


def test_check_reports_each_broken_rule_with_file_and_line(project: Path, run: Run) -> None:
    write_files(
        project,
        {
            "migrations/versions/0001_rooms.py": RAW_MIGRATION,
            "service.py": "\nfrom extensions.spa import pool\n",
            "tasks.py": "from pydantic import SecretStr\nfrom undercroft.jobs import task\n@task()\n"
            "async def go(*, password: SecretStr) -> None: ...\n",
            "routes.py": ROUTES.replace(", self_only=True", ""),
            "helpers.py": "",
        },
    )
    result = run("extension", "check", "hotel")
    failed = dict(re.findall(r"^FAIL\s+(\w+(?: \w+)*)\s\s+(\S.*)$", result.out, re.MULTILINE))
    assert result.code == 1
    assert failed["imports"].startswith("extensions/hotel/service.py:2: ")
    assert "extensions/hotel/tasks.py:3: hotel.go: password would store a secret" in failed["tasks"]
    assert failed["names and routes"]
    assert "helpers.py is not a file of a module" in failed["lint"]
    assert failed["tests"].startswith("extensions/hotel/tests:1: There are no tests.")
    assert "README.md" in failed["readme"]
    assert (
        "versions/0001_rooms.py:1: The migrations change what belongs to others: users"
        in failed["migrations change own tables"]
    )
    assert "Blocks all writes to users" in failed["migrations are safe"]
    assert "After `downgrade()` the schema is not as before" in failed["migrations can be reverted"]


def test_check_of_an_extension_that_cannot_be_imported_skips_the_other_rules(project: Path, run: Run) -> None:
    write_files(project, {"__init__.py": "\nx = 1 / 0\n"})
    result = run("extension", "check", "hotel")
    assert result.code == 1
    assert re.search(r"FAIL\s+import\s+extensions/hotel/__init__.py:2: ZeroDivisionError", result.out)
    assert re.search(r"SKIPPED\s+tests\s+Fix `import` first.", result.out)


@pytest.mark.parametrize(
    "other", ['app_name = "Shop"', 'cors_origins = ["https://shop.example"]'], ids=["text", "list"]
)
def test_project_file_is_changed_if_only_it_has_the_list(other: str, project: Path, run: Run) -> None:
    file = project / "pyproject.toml"
    text = f'[project]\nname = "shop"\n\n[tool.undercroft]\n{other}\nenabled_extensions = {{}}  # ours\n'
    file.write_text(text.format("[]"))
    assert "Enabled hotel in pyproject.toml." in run("extension", "enable", "hotel").out
    assert file.read_text() == text.format('["hotel"]')
    assert run("extension", "disable", "hotel").code == 0
    assert file.read_text() == text.format("[]")
    assert not (project / ".env").exists()


def test_list_that_only_a_person_can_change_is_named(project: Path, run: Run) -> None:
    file = project / "pyproject.toml"
    file.write_text(text := "[tool.undercroft]\nenabled_extensions = [\n    'hotel',  # rooms\n]\n")
    refused = run("extension", "disable", "hotel")
    assert (refused.code, "Set enabled_extensions = [] in [tool.undercroft] of" in refused.output) == (2, True)
    assert file.read_text() == text
    assert not (project / ".env").exists()
