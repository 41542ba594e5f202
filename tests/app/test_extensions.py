"""Extensions of a project: what they add, and the rules that they must follow."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.command_runner import PRODUCTION, CommandResult, run_command
from tests.enabled import SAME_MODULES
from undercroft.app.api import create_app
from undercroft.core.context import AppContext
from undercroft.core.db import Database
from undercroft.core.settings import CoreSettings, Environment, ExtensionErrors, load, reset, use
from undercroft.jobs.registry import Tasks
from undercroft.testing.lifespan import run_lifespan
from undercroft.testing.users import make_client

MODULE = "from undercroft.core import Module\nMODULE = Module({})\n"
ROUTES = """\
from undercroft.core.http import Router
router = Router(surface="app", prefix="/rooms", tag="Rooms", self_only=True)
@router.get("")
async def list_rooms() -> int:
    return 1
"""
MODEL = """\
from uuid import UUID
from sqlmodel import Field
from undercroft.core.db import Identified, Privacy
class Room(Identified, table=True):
    __tablename__ = "{}"
    __privacy__ = Privacy("the team", "always")
"""


def write_extension(project: Path, files: dict[str, str], name: str = "hotel", module: str = "") -> None:
    folder = project / "extensions" / name
    for path, text in {"__init__.py": MODULE.format(module), **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def run(project: Path, *words: str, enabled: str = "hotel", **environment: str) -> CommandResult:
    settings = {"ENVIRONMENT": "development", "ENABLED_EXTENSIONS": enabled, "PYTHONDONTWRITEBYTECODE": "1"}
    return run_command(*words, folder=project, **{**settings, **environment})


def test_extension_is_loaded_only_when_it_is_enabled(tmp_path: Path) -> None:
    write_extension(tmp_path, {"routes.py": ROUTES, "settings.py": SETTINGS.format("hotel_")})
    assert "/api/v1/app/ext/hotel/rooms" in run(tmp_path, "routes", "rooms").out
    assert "# --- Hotel ---" in (listed := run(tmp_path, "env").out)
    assert "# HOTEL_BEDS=2" in listed
    for enabled in ("", "[]"):
        assert "No route's path contains rooms." in run(tmp_path, "routes", "rooms", enabled=enabled).err
        assert "HOTEL" not in run(tmp_path, "env", enabled=enabled).out


def test_module_sets_another_path(tmp_path: Path) -> None:
    write_extension(tmp_path, {"routes.py": ROUTES}, module='mount="/stays"')
    assert "/api/v1/app/stays/rooms" in run(tmp_path, "routes", "rooms").out


@pytest.mark.parametrize(
    ("enabled", "message"),
    [
        ("hotle", "Did you mean hotel?"),
        ("spaceship", "Available: hotel."),
        ("../hotel", "ENABLED_EXTENSIONS"),
    ],
)
def test_unknown_extension_is_refused(tmp_path: Path, enabled: str, message: str) -> None:
    write_extension(tmp_path, {})
    result = run(tmp_path, "routes", enabled=enabled)
    assert (result.code, message in result.err) == (2, True), result.err


@dataclass(frozen=True)
class BrokenRule:
    """Files of the extension `hotel` that break a rule, the expected location and parts of the message."""

    title: str
    files: dict[str, str]
    location: str
    expected: tuple[str, ...]
    module: str = ""
    others: dict[str, dict[str, str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.title


TASK = "from undercroft.jobs import {}\n@{}\nasync def clean() -> None: ...\n"
SETTINGS = """\
from undercroft.core.settings import SettingsBase, SettingsConfigDict
class HotelSettings(SettingsBase):
    section = "Hotel"
    model_config = SettingsConfigDict(env_prefix="{}")
    beds: int = 2
"""

SUBSCRIBER = """from pydantic import SecretStr
from undercroft.core.db import Session
from undercroft.core.events import Event, subscribe
class Left(Event, frozen=True):
    guest: str
@subscribe(Left, after_commit=True)
async def left(session: Session, event: Left) -> None: ...
"""
MIGRATION = """\
from alembic import op
revision = "0001"
down_revision = None
def upgrade() -> None:
    {}
def downgrade() -> None:
    {}
"""

HOOK = """from undercroft.core.db import Session
from undercroft.core.hooks import before
from undercroft.modules.users import SignUp
@before(SignUp)
async def check(session: Session, sign_up: SignUp) -> None: ...
"""
USERS = 'requires=("users",)'
FIELDS = """\
from undercroft.core.db import ExtraFields
from undercroft.modules.users import User
from sqlmodel import Field
class GuestFields(ExtraFields, entity={}):
    hidden = ()
    {}: str = Field(default="")
"""
POINT = """from undercroft.core.hooks import HookPoint
class Stay(HookPoint, frozen=True):
    nights: int
"""
BROKEN = [
    BrokenRule("no declaration", {"__init__.py": ""}, "__init__.py:1", ("does not declare MODULE",)),
    BrokenRule("a name of the core", {"routes.py": "from undercroft.core.http.router import Router\n"}, "routes.py:1",
               ("undercroft.core.http.router.Router is not public", "Import it from undercroft.core.http.")),
    BrokenRule("a private name", {"routes.py": "from undercroft.core.http import Routre\n"}, "routes.py:1",
               ("undercroft.core.http.Routre is not public", "Did you mean Router?")),
    BrokenRule("a private module", {"service.py": "\nimport undercroft.app.api\n"}, "service.py:2",
               ("undercroft.app.api is not public",)),
    BrokenRule("an import of another extension", {"service.py": "from extensions.spa import pool\n"}, "service.py:1",
               ("extensions.spa.pool belongs to another extension", "events")),
    BrokenRule("an import inside a function", {"service.py": "def f():\n    import extensions.spa\n"}, "service.py:2",
               ("extensions.spa belongs to another extension",)),
    BrokenRule("a requirement of another extension", {}, "__init__.py:1",
               ("requires the extension spa", "events"), module='requires=("spa",)', others={"spa": {}}),
    BrokenRule("an unknown requirement", {}, "__init__.py:1",
               ("hotel requires projetcs, which does not exist", "Did you mean projects?"),
               module='requires=("projetcs",)'),
    BrokenRule("a table without the prefix", {"models.py": MODEL.format("rooms")}, "models.py:4",
               ("The table rooms of the extension hotel must be named hotel_", '__tablename__ = "hotel_rooms"')),
    BrokenRule("a table of the core", {"models.py": MODEL.format("users")}, "models.py:4", ("users",)),
    BrokenRule("a task without the prefix", {"tasks.py": TASK.format("task", 'task(name="spa.clean")')}, "tasks.py:2",
               ("The task spa.clean of the extension hotel", 'name="hotel.clean"')),
    BrokenRule("a schedule without the prefix", {"tasks.py": TASK.format("cron", 'cron("0 2 * * *", name="a.clean")')},
               "tasks.py:2", ("The task a.clean of the extension hotel", 'name="hotel.clean"')),
    BrokenRule("a setting without the prefix", {"settings.py": SETTINGS.format("spa_")}, "settings.py:2",
               ("SPA_BEDS of the extension hotel must begin with HOTEL_", 'env_prefix="hotel_"')),
    BrokenRule("a permission of the core", {"permissions.py": "from undercroft.core.auth import Permission\n"
               "from undercroft.modules.teams import ALL_ROLES\n"
               'PERMISSIONS = (Permission("projects:read", "Read.", ALL_ROLES),)\n'}, "permissions.py:1",
               ("The permission projects:read is declared twice", "another name")),
    BrokenRule("a rate limit of the core", {"limits.py": 'LIMITS = {"sign_in": lambda: "1/hour"}\n'}, "limits.py:1",
               ("The rate limit sign_in is declared twice", "another name")),
    BrokenRule("a route of the core", {"routes.py": ROUTES.replace("/rooms", "/projects")}, "routes.py:3",
               ("/api/v1/app/projects is a path of Undercroft itself", "remove `mount`"), module='mount=""'),
    BrokenRule("a page of another module", {"templates/pages/auth/resend.html": ""}, "resend.html:1",
               ("could replace a template of another module", "pages/hotel/resend.html")),
    BrokenRule("an email of another module", {"templates/emails/verify.txt": ""}, "verify.txt:1",
               ("could replace a template of another module", "emails/hotel/verify.txt")),
    BrokenRule("the audit log", {"subscribers.py": "AUDIT_SINK = 1\n"}, "subscribers.py:1",
               ("cannot replace the audit log",)),
    BrokenRule("a sync subscriber", {"subscribers.py": SUBSCRIBER.replace("async ", "")}, "subscribers.py:6",
               ("left must be an async function: async def left(session: Session, left: Left) -> None.",)),
    BrokenRule("a secret in the event of a job", {"subscribers.py": SUBSCRIBER.replace("str", "SecretStr")},
               "subscribers.py:6", ("Left.guest would store a secret", "Publish an ID")),
    BrokenRule("a sync hook", {"hooks.py": HOOK.replace("async ", "")}, "hooks.py:4",
               ("check must be an async function", "async def check(session: Session, sign_up: SignUp) -> SignUp |")),
    BrokenRule("a hook with other parameters", {"hooks.py": HOOK.replace("session: Session, ", "")}, "hooks.py:4",
               ("check must take a Session and a SignUp",)),
    BrokenRule("a hook without a point", {"hooks.py": HOOK.replace("(SignUp)", "", 1)}, "hooks.py:4",
               ("check is not a hook point", "@before(SignUp)")),
    BrokenRule("a point that nothing decides", {"service.py": POINT, "hooks.py": "from extensions.hotel.service import "
               "Stay\n" + HOOK.replace("(SignUp)", "(Stay)").replace(": SignUp", ": Stay")}, "hooks.py:5",
               ("No operation of this application is decided at Stay. Points: NewInvitation, OutgoingEmail, SignIn,",)),
    BrokenRule("a subscriber with the name of a task", {"subscribers.py": SUBSCRIBER,
               "tasks.py": TASK.format("task", 'task(name="hotel.left")')}, "subscribers.py:6",
               ("The task name hotel.left is taken",)),
    BrokenRule("a name of a statistics section", {"statistics.py": "from undercroft.core.statistics import Statistics\n"
               'class Other(Statistics):\n    section = "users"\n'}, "statistics.py:2", ("users is declared twice",)),
    BrokenRule("commands without a group", {"commands.py": "def rooms(): ...\n"}, "commands.py:1",
               ("must define `app",)),
    BrokenRule("a change of a core model", {"models.py": "from sqlmodel import Field\n"
               "from undercroft.modules.users import User\nUser.vip = Field(default=False)\n"}, "models.py:3",
               ("User belongs to Undercroft", "ExtraFields in fields.py")),
    BrokenRule("a column of a core table", {"models.py": "from sqlalchemy import Boolean, Column\n"
               "from undercroft.modules.users import User\nUser.__table__.append_column(Column('vip', Boolean))\n"},
               "models.py:3", ("User belongs to Undercroft",)),
    BrokenRule("a field of the core", {"fields.py": FIELDS.format("User", "locale")}, "fields.py:6",
               ("User has locale already", "Give the field of GuestFields another name"), module=USERS),
    BrokenRule("a field of another extension", {"fields.py": FIELDS.format("User", "level")}, "fields.py:6",
               ("GuestFields of extensions.spa.fields adds level to User already",), module=USERS,
               others={"spa": {"__init__.py": MODULE.format(USERS), "fields.py": FIELDS.format("User", "level")}}),
    BrokenRule("a migration of a core table", {"migrations/versions/0001_vip.py": MIGRATION.format(
               "op.add_column('users', 1)", "op.drop_column('users', 'vip')")}, "migrations/versions/0001_vip.py:5",
               ("changes the table users", "ExtraFields in fields.py")),
    BrokenRule("a migration without downgrade", {"migrations/versions/0001_rooms.py": MIGRATION.format(
               "op.create_table('hotel_rooms')", "pass")}, "migrations/versions/0001_rooms.py:6",
               ("cannot be reverted", "downgrade()")),
    BrokenRule("a secret in the arguments of a task", {"tasks.py": "from pydantic import SecretStr\n"
               "from undercroft.jobs import task\n@task()\nasync def sign(*, token: SecretStr) -> None: ...\n"},
               "tasks.py:3", ("hotel.sign: ", "token", "secret")),
    BrokenRule("an import that does not end", {"service.py": "", "tasks.py": "import time\ntime.sleep(1000)\n"},
               "tasks.py:2", ("takes longer than an import may", "lifespan.py")),
    BrokenRule("another version of Undercroft", {"models.py": "x = 1 / 0\n"}, "__init__.py:1",
               ("supports Undercroft >=7,<8, and this is Undercroft 0.", "Install a version"),
               module='undercroft=">=7,<8"'),
    BrokenRule("a version that is no range", {}, "__init__.py:1", ("'7 to 8' is not a range of versions", ">=0.1,<2"),
               module='undercroft="7 to 8"'),
    BrokenRule("an error while importing", {"models.py": "\nx = 1 / 0\n"}, "models.py:2", ("ZeroDivisionError",)),
    BrokenRule("a syntax error", {"service.py": "x = \n"}, "service.py:1", ("SyntaxError",)),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_broken_rule_gives_one_message_with_file_line_and_fix(broken: BrokenRule, tmp_path: Path) -> None:
    write_extension(tmp_path, broken.files, module=broken.module)
    for name, files in broken.others.items():
        write_extension(tmp_path, files, name)
    result = run(tmp_path, "routes", enabled=",".join([*broken.others, "hotel"]))
    assert result.code == 1, result
    assert f"hotel/{broken.location}" in result.err.replace("\n", " ").replace("templates/pages/auth/", "").replace(
        "templates/emails/", ""
    ), result.err
    for part in broken.expected:
        assert part in result.err


def test_extension_that_supports_this_version_is_loaded(tmp_path: Path) -> None:
    write_extension(tmp_path, {"routes.py": ROUTES}, module='undercroft=">=0.1,<2"')
    assert "/api/v1/app/ext/hotel/rooms" in run(tmp_path, "routes", "rooms").out


def test_extension_with_the_name_of_a_module_is_refused(tmp_path: Path) -> None:
    write_extension(tmp_path, {}, "projects")
    result = run(tmp_path, "routes", enabled="projects")
    assert result.code == 1
    assert "The extension projects has the name of a built-in module" in result.err


SKIPPING = {
    "environment": Environment.PRODUCTION,
    "extension_errors": ExtensionErrors.SKIP,
    "enabled_extensions": ("motel",),
}
PRODUCTION_SETTINGS = PRODUCTION | {"ENVIRONMENT": "production", "DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c"}


def test_broken_extension_aborts_in_production_unless_it_is_to_be_skipped(tmp_path: Path) -> None:
    write_extension(tmp_path, {"models.py": "x = 1 / 0\n"})
    write_extension(tmp_path, {"routes.py": ROUTES}, "spa")
    enabled = "hotel,spa"
    aborted = run(tmp_path, "routes", "spa", enabled=enabled, **PRODUCTION_SETTINGS)
    assert (aborted.code, "ZeroDivisionError" in aborted.err) == (1, True)
    skipped = run(tmp_path, "routes", "spa", enabled=enabled, EXTENSION_ERRORS="skip", **PRODUCTION_SETTINGS)
    assert (skipped.code, "/api/v1/app/ext/spa/rooms" in skipped.out) == (0, True), skipped
    development = run(tmp_path, "routes", "spa", enabled=enabled, EXTENSION_ERRORS="skip")
    assert development.code == 1


async def test_skipped_extension_degrades_the_readiness_check(database: Database, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    use(load(CoreSettings).model_copy(update=SKIPPING))
    monkeypatch.setattr("undercroft.app.api.check_settings", lambda _: None)
    write_extension(tmp_path, {"models.py": "x = 1 / 0\n"}, "motel")
    app = create_app(context=AppContext(), database=database)
    async with run_lifespan(app), make_client(app) as client:
        response = await client.get("/api/v1/public/health/ready")
    body = response.json()
    assert (response.status_code, body["status"]) == (200, "degraded")
    assert body["components"]["extensions"]["details"] == {"skipped": ["motel"]}


async def test_applications_in_one_process_have_different_extensions(
    database: Database, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reset()
    write_extension(tmp_path, {"routes.py": ROUTES, "tasks.py": TASK.format("task", "task()")}, "inn")
    write_extension(tmp_path, {"routes.py": ROUTES}, "pub")
    common = {**SAME_MODULES, "ENVIRONMENT": "test", "SECRET_KEY": "kJ8v2Qz7Xw1Rb5Nt9Ys3Lm6Pc4Hd0Gf8Ea"}
    inn = create_app(environ=common | {"ENABLED_EXTENSIONS": "inn", "APP_NAME": "Inn"}, database=database)
    pub = create_app(environ=common | {"ENABLED_EXTENSIONS": '["pub"]', "APP_NAME": "Pub"}, database=database)
    for app, own, other in ((inn, "inn", "pub"), (pub, "pub", "inn")):
        paths = app.openapi()["paths"]
        assert app.title == own.capitalize()
        assert f"/api/v1/app/ext/{own}/rooms" in paths
        assert f"/api/v1/app/ext/{other}/rooms" not in paths
    assert "inn.clean" in inn.context.get(Tasks).by_name
    assert "inn.clean" not in pub.context.get(Tasks).by_name
