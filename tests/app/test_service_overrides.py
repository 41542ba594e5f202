"""Services that an extension overrides: where an override applies, and the rules that it must follow."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.app.test_extensions import run, write_extension
from tests.enabled import SAME_MODULES
from undercroft.app.api import create_app
from undercroft.app.extension_check import Grade, GradeStatus, grade_source
from undercroft.app.registry import get_registry, load_extension
from undercroft.core.context import AppContext, use_context
from undercroft.core.db import Database
from undercroft.core.errors import CodeError
from undercroft.core.settings import reset
from undercroft.core.telemetry.origin import explain_error
from undercroft.modules.teams import TeamService
from undercroft.testing.configuration import SECRET
from undercroft.testing.lifespan import run_lifespan
from undercroft.testing.users import create_signed_in_user

TEAMS = """\
from undercroft.modules.teams import TeamCreate, TeamService, UserTeam
class OwnTeams(TeamService):
    async def create(self, data: TeamCreate) -> UserTeam:
        return await super().create(data.model_copy(update={"name": data.name.upper()}))
OVERRIDES = {TeamService: OwnTeams}
"""
PROJECTS_AND_USERS = """\
from typing import Any
from uuid import UUID
from msgspec.structs import replace
from undercroft.core.errors import Conflict
from undercroft.modules.projects import ProjectResource
from undercroft.modules.users import NewUser, User, UserService
class OwnProjects(ProjectResource):
    async def before_create(self, values: dict[str, Any]) -> None:
        values["name"] = values["name"].upper()
class Users(UserService):
    async def create(self, new: NewUser, *, actor_id: UUID | None = None) -> User:
        return await super().create(replace(new, full_name=new.full_name.upper()), actor_id=actor_id)
    async def update_profile(self, user_id: UUID, changes: Any) -> User:
        if "full_name" in changes:
            raise Conflict("The name is on an open order.")
        return await super().update_profile(user_id, changes)
OVERRIDES = {ProjectResource: OwnProjects, UserService: Users}
"""
PROJECTS = 'requires=("projects",)'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    reset()
    return tmp_path


@contextmanager
def application(database: Database, extension: str) -> Iterator[Any]:
    environ = {**SAME_MODULES, "ENVIRONMENT": "test", "SECRET_KEY": SECRET, "ENABLED_EXTENSIONS": extension}
    app = create_app(environ=environ, database=database)
    with use_context(app.context):
        yield app


@pytest.mark.requires_module("projects")
async def test_override_applies_in_its_application_only(database: Database, folder: Path) -> None:
    write_extension(folder, {"overrides.py": TEAMS}, "tavern")
    write_extension(folder, {"overrides.py": PROJECTS_AND_USERS}, "bakery", PROJECTS)
    seen = {}
    for extension in ("tavern", "bakery"):
        with application(database, extension) as app:
            async with run_lifespan(app), (await create_signed_in_user(app)).client as client:
                team = await client.post("/api/v1/app/teams", json={"name": "Acme"})
                project = await client.post("/api/v1/app/projects", json={"name": "Site"})
                renamed = await client.patch("/api/v1/app/users/me", json={"full_name": "Ada"})
                seen[extension] = (team.json()["name"], project.json()["name"], renamed.status_code)
    assert seen == {"tavern": ("ACME", "Site", 200), "bakery": ("Acme", "SITE", 409)}


def test_override_replaces_only_the_service_that_it_names(folder: Path) -> None:
    write_extension(folder, {"overrides.py": TEAMS}, "chapel")
    session: Any = None
    principal: Any = None
    with use_context(AppContext({**SAME_MODULES, "ENVIRONMENT": "development", "ENABLED_EXTENSIONS": "chapel"})):
        own = get_registry().overrides[TeamService]
        assert type(TeamService(session, principal)) is own
        assert type(own(session, principal)) is own
    assert type(TeamService(session, principal)) is TeamService


@pytest.mark.requires_module("projects")
async def test_command_and_other_modules_use_the_override(database: Database, folder: Path, database_url: str) -> None:
    write_extension(folder, {"overrides.py": PROJECTS_AND_USERS}, "bakery", PROJECTS)
    options = {"DATABASE_URL": database_url, "stdin": "three otters in a boat"}
    for enabled, email in (("bakery", "one@example.com"), ("", "two@example.com")):
        words = ("user", "create-admin", email, "--name", "Ada", "--password-stdin")
        created = run(folder, *words, enabled=enabled, **options)
        assert created.code == 0, created.output
    async with database.read_session() as session:
        names = (await session.scalars(text("select full_name from users order by email"))).all()
    assert names == ["ADA", "Ada"]


BROKEN = {
    "no mapping": ("OVERRIDES = [1]", 1, "overrides.py must define OVERRIDES = {TeamService: AcmeTeamService}."),
    "nothing declared": ("x = 1", 1, "must define OVERRIDES"),
    "a service that authenticates": (
        "from undercroft.modules.sessions import SessionService as A\nclass S(A): ...\nOVERRIDES = {\n  A: S}",
        4,
        "SessionService cannot be overridden: it decides who a caller is",
    ),
    "a class that is no service": (
        "from undercroft.modules.teams import Team\nclass T: ...\nOVERRIDES = {Team: T}",
        3,
        "Team cannot be overridden",
    ),
    "a name": ('OVERRIDES = {"TeamService": 1}', 1, "'TeamService' is not a class."),
    "an own service": (
        "from undercroft.core.overrides import Service\nclass A(Service): ...\nclass B(A): ...\nOVERRIDES = {A: B}",
        4,
        "itself. Change it there.",
    ),
    "the base of all services": (
        "from undercroft.core.overrides import Service\nclass A(Service): ...\nOVERRIDES = {Service: A}",
        3,
        "Service is not a service of a module.",
    ),
    "another class": (
        "from undercroft.modules.teams import TeamService\nclass A: ...\nOVERRIDES = {TeamService: A}",
        3,
        "A must be a subclass of TeamService: class",
    ),
}
METHODS = {
    "a private method": ("def _check_mfa_change(self, locked, after): ...", "_check_mfa_change is private"),
    "other parameters": (
        "async def transfer(self, user_id, why):\n        await super().transfer(user_id)",
        "Write: async def transfer(self, user_id: UUID) -> None:",
    ),
    "a renamed parameter": ("async def transfer(self, owner):\n        await super().transfer(owner)", "Write: async"),
    "a required option": (
        "async def list(self, paging, *, deleted):\n        return await super().list(paging, deleted=deleted)",
        "deleted: bool=False",
    ),
    "a sync method": ("def delete(self):\n        return super().delete()", "Write: async def delete(self) -> None:"),
    "an attribute": ("delete = None", "sets delete, which belongs to TeamService itself"),
    "a class method": ("@classmethod\n    async def delete(cls): ...", "sets delete"),
    "another constructor": ("def __init__(self, session):\n        super().__init__(session, None)", "__init__ must"),
    "a constructor without the original": ("def __init__(self, session, principal): ...", "sets the attributes"),
    "another way to create": ("def __new__(cls, *a): ...", "__new__ is private"),
    "no call of the original": ("async def delete(self): ...", "checks access and records the change"),
    "a call that is not awaited": (
        "async def delete(self):\n        super().delete()",
        "Add `await super().delete(…)`",
    ),
    "another method of the original": ("async def delete(self):\n        await super().read()", "does not call it"),
    "a conditional call": (
        "async def delete(self):\n        if self:\n            await super().delete()",
        "on every path that returns",
    ),
    "an early return": (
        "async def delete(self):\n        if self:\n            return\n        await super().delete()",
        "on every path that returns",
    ),
    "a swallowed error": (
        "async def delete(self):\n        try:\n            await super().delete()\n        except Exception: ...",
        "on every path that returns",
    ),
    "a call in an inner function": (
        "async def delete(self):\n        async def f():\n            await super().delete()",
        "on every path that returns",
    ),
}
ALLOWED = {
    "a return": "async def delete(self):\n        return await super().delete()",
    "a rejection": "async def delete(self):\n        if 1:\n            raise KeyError\n        await super().delete()",
    "both branches": "async def delete(self):\n        if self:\n            await super().delete()\n        else:\n"
    "            raise ValueError",
    "any parameters": "async def transfer(self, *args, **kwargs):\n        await super().transfer(*args, **kwargs)",
    "an option more": "async def transfer(self, user_id, *, why=''):\n        await super().transfer(user_id)",
    "a translated error": "async def delete(self):\n        try:\n            await super().delete()\n"
    "        except ValueError as error:\n            raise KeyError from error",
    "a reading method": "async def read(self):\n        return None",
    "a method more": "async def _own(self): ...\n    limit = 3",
}
NAMES = count()


def load_override(folder: Path, source: str) -> None:
    name = f"guild{next(NAMES)}"
    write_extension(folder, {"overrides.py": source}, name, PROJECTS if "projects" in source else "")
    with use_context(AppContext({**SAME_MODULES, "ENVIRONMENT": "development"})):
        load_extension(name)


def of_team_service(method: str) -> str:
    head = "from undercroft.modules.teams import TeamService\nclass Own(TeamService):\n    limit = 1\n"
    return f"{head}    {method}\nOVERRIDES = {{TeamService: Own}}\n"


@pytest.mark.parametrize(("source", "line", "expected"), BROKEN.values(), ids=BROKEN)
def test_broken_override_gives_one_message_with_file_and_line(
    source: str, line: int, expected: str, folder: Path
) -> None:
    with pytest.raises(CodeError) as caught:
        load_override(folder, source)
    message = explain_error(caught.value)
    assert f"overrides.py:{line}\n" in message
    assert expected in message


@pytest.mark.parametrize(("method", "expected"), METHODS.values(), ids=METHODS)
def test_override_that_could_break_callers_or_skip_a_check_is_refused(method: str, expected: str, folder: Path) -> None:
    with pytest.raises(CodeError) as caught:
        load_override(folder, of_team_service(method))
    message = explain_error(caught.value)
    assert "overrides.py:" in message
    assert expected in message


@pytest.mark.parametrize("method", ALLOWED.values(), ids=ALLOWED)
def test_override_that_keeps_the_checks_is_accepted(method: str, folder: Path) -> None:
    load_override(folder, of_team_service(method))


@pytest.mark.requires_module("projects")
@pytest.mark.parametrize("attribute", ["searchable = ()", "readers = frozenset()", "hidden = ('name',)"])
def test_override_cannot_change_what_the_routes_are_made_from(attribute: str, folder: Path) -> None:
    source = f"from undercroft.modules.projects import ProjectResource\nclass P(ProjectResource):\n    {attribute}\n"
    with pytest.raises(CodeError, match=f"sets {attribute.partition(' ')[0]}, which belongs to ProjectResource"):
        load_override(folder, f"{source}OVERRIDES = {{ProjectResource: P}}\n")


def test_two_extensions_cannot_override_the_same_service(folder: Path) -> None:
    write_extension(folder, {"overrides.py": TEAMS}, "north")
    write_extension(folder, {"overrides.py": TEAMS}, "south")
    refused = run(folder, "routes", enabled="north,south")
    assert (refused.code, "The extensions north and south both override TeamService." in refused.err) == (1, True)
    assert "extensions/south/overrides.py:2" in refused.err


def test_commands_show_what_an_extension_overrides(folder: Path) -> None:
    write_extension(folder, {"overrides.py": TEAMS}, "tavern")
    shown = run(folder, "explain", "teams.TeamService", enabled="tavern").out
    assert "extensions/tavern/overrides.py:2  extension tavern.OwnTeams" in shown
    route = run(folder, "explain", "POST", "/api/v1/app/teams", enabled="tavern").out
    assert "extensions/tavern/overrides.py:3  OwnTeams.create" in route
    assert " ".join(run(folder, "extension", "list", enabled="tavern").out.split()).endswith(
        "extensions/tavern/ TeamService"
    )
    assert "overridden by" not in run(folder, "explain", "TeamService", enabled="").out
    assert Grade("overrides", GradeStatus.OK) in list(grade_source("tavern"))


@pytest.mark.requires_module("projects")
async def test_override_sees_only_the_team_of_the_caller(database: Database, folder: Path) -> None:
    """The repository limits each query to the team, whatever an override passes to it."""
    source = """\
from undercroft.modules.projects import ProjectResource
class Curious(ProjectResource):
    first = []
    async def read(self, key):
        self.first.append(key)
        return await super().read(self.first[0])
OVERRIDES = {ProjectResource: Curious}
"""
    write_extension(folder, {"overrides.py": source}, "spyglass", PROJECTS)
    with application(database, "spyglass") as app:
        async with (
            run_lifespan(app),
            (await create_signed_in_user(app)).client as one,
            (await create_signed_in_user(app)).client as two,
        ):
            first = (await one.post("/api/v1/app/projects", json={"name": "Site"})).json()["id"]
            second = (await two.post("/api/v1/app/projects", json={"name": "Site"})).json()["id"]
            assert (await one.get(f"/api/v1/app/projects/{first}")).status_code == 200
            assert (await two.get(f"/api/v1/app/projects/{second}")).status_code == 404
