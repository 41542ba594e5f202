"""Error messages for errors in a developer's module: file, line number, source line and the fix."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.command_runner import CommandResult, run_command

MODULE = "from undercroft.core import Module\n"
ROUTER = """from undercroft.core.http import Router
router = Router(surface="app", prefix="/hotels", tag="Hotels")
"""
PERMISSIONS = """from undercroft.core.auth.permissions import Permission
from undercroft.modules.teams import ALL_ROLES
PERMISSIONS = (Permission("hotels:read", "See hotels.", ALL_ROLES),)
"""


@dataclass(frozen=True)
class BrokenModule:
    """A module with an error, the expected location and source line, and further expected parts of the message."""

    title: str
    files: dict[str, str]
    location: str
    source: str
    expected: tuple[str, ...]
    command: str = "routes"

    def __str__(self) -> str:
        return self.title


BROKEN = [
    BrokenModule("a syntax error", {"routes": "x = 1\ndef read(:\n"}, "routes.py:2", "def read(:", ("SyntaxError",)),
    BrokenModule("a missing package", {"models": "import nothing_like_this\n"}, "models.py:1",
           "import nothing_like_this", ("ModuleNotFoundError", "Check the spelling, or install the package")),
    BrokenModule("an error while importing", {"subscribers": "\nlimit = {}['a']\n"}, "subscribers.py:2",
           "limit = {}['a']", ("KeyError: 'a'",)),
    BrokenModule("a circular import", {"routes": "from undercroft.modules.hotel import service\nX = 1\n",
           "service": "from undercroft.modules.hotel.routes import X\n"}, "service.py:1",
           "from undercroft.modules.hotel.routes import X", ("Two modules import each other",)),
    BrokenModule("a route without a permission", {"routes": f"{ROUTER}@router.get('')\nasync def read() -> int: ...\n"},
           "routes.py:3", "@router.get('')", ("GET /api/v1/app/hotels requires no permission", 'permission="')),
    BrokenModule("a permission that does not exist", {"permissions": PERMISSIONS, "routes":
           f"{ROUTER}@router.get('', permission='hotel:read')\nasync def read() -> int: ...\n"},
           "routes.py:3", "@router.get(''", ("requires the permission hotel:read", "Did you mean hotels:read?")),
    BrokenModule("a permission that is not similar to another", {"routes":
           f"{ROUTER}@router.get('', permission='zoo:feed')\nasync def read() -> int: ...\n"},
           "routes.py:3", "@router.get(''", ("requires the permission zoo:feed", "permissions.py")),
    BrokenModule("a misspelled route option", {"routes":
           f"{ROUTER}@router.get('', permissions='teams:read')\nasync def read() -> int: ...\n"},
           "routes.py:3", "@router.get(''", ("read: a route has no option permissions", "Did you mean permission?")),
    BrokenModule("an option that nothing enforces", {"routes": 'from undercroft.core.http import Router\n'
           "router = Router(surface='public')\n@router.get('/x', permission='x:read')\nasync def x() -> int: ...\n"},
           "routes.py:3", "@router.get('/x'", ("permission has no effect on the surface public", "only on app")),
    BrokenModule("a change without an audit entry", {"routes":
           f"{ROUTER}@router.post('', permission='projects:write')\nasync def make() -> int: ...\n"},
           "routes.py:3", "@router.post(''", ("POST /api/v1/app/hotels does not declare its audit entry", 'audit="')),
    BrokenModule("a page that changes data without an audit", {"pages": 'from undercroft.core.http import Router\n'
           "router = Router(surface='root')\n@router.post('/hotel')\nasync def save() -> int: ...\n"},
           "pages.py:3", "@router.post('/hotel'", ("POST /hotel does not declare its audit entry", 'audit="')),
    BrokenModule("a route that may widen access", {"routes":
           f"{ROUTER}@router.post('', permission='members:write', audit='x.y')\nasync def make() -> int: ...\n"},
           "routes.py:3", "@router.post(''", ("POST /api/v1/app/hotels may widen access", "step_up=True")),
    BrokenModule("a plain router without a permission", {"routes":
           "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/x')\ndef x() -> int: ...\n"},
           "routes.py:3", "@router.get('/x')", ("requires no permission", "plain APIRouter", "declaration(")),
    BrokenModule("a response model that is none", {"routes":
           f"{ROUTER}class A: ...\n"
           "@router.get('', response_model=A, permission='teams:read')\n"
           "async def read(): ...\n"}, "routes.py:4", "@router.get('', response_model=A", ("Invalid args",)),
    BrokenModule("a misspelled tag", {"routes": f"{ROUTER}"
           "@router.get('', tags=['Project'], permission='teams:read')\nasync def read() -> int: ...\n"},
           "routes.py:3", "@router.get('', tags=['Project']", ("the tag Project", "Did you mean Projects?", "Tag(")),
    BrokenModule("a required module that does not exist",
           {"__init__": f"{MODULE}MODULE = Module(requires=('teems',))\n"}, "__init__.py:1",
           "from undercroft.core import", ("hotel requires teems", "Did you mean teams?")),
    BrokenModule("required modules that are one text", {"__init__": f"{MODULE}MODULE = Module(requires=('teams'))\n"},
           "__init__.py:1", "from undercroft.core import", ("requires=('teams',)",)),
    BrokenModule("a module without a declaration", {"__init__": "X = 1\n"}, "__init__.py:1", "X = 1",
           ("hotel does not declare MODULE", "MODULE = Module()")),
    BrokenModule("a module that requires itself", {"__init__": f"{MODULE}MODULE = Module(requires=('hotel',))\n"},
           "__init__.py:1", "from undercroft.core import", ("hotel → hotel", "Remove one of them")),
    BrokenModule("permissions without a name", {"permissions": "X = 1\n"}, "permissions.py:1", "X = 1",
           ("PERMISSIONS",)),
    BrokenModule("a permission of another module", {"__init__": f"{MODULE}MODULE = Module(requires=('teams',))\n",
           "permissions": PERMISSIONS.replace("hotels:read", "teams:read")},
           "permissions.py:1", "from undercroft", ("teams:read is declared twice", "another name")),
    *(
        BrokenModule(f"a permission called {name}", {"permissions": PERMISSIONS.replace("hotels:read", name)},
               "permissions.py:1", "from undercroft", (f"{name!r} must be named things:verb", "another name"))
        for name in ("hotels", "Hotels:read", "hotels:read:all", "hotels: read", ":read", "")
    ),
    BrokenModule("an error in a view of /admin", {"admin": "\nfrom undercroft.core.admin import AdminViews\n"},
           "admin.py:2", "from undercroft.core.admin import AdminViews", ("ImportError", "AdminViews")),
    BrokenModule("a route that is declared twice", {"routes": f"{ROUTER}"
           "@router.get('', permission='teams:read')\nasync def a() -> int: ...\n"
           "@router.get('', permission='teams:read')\nasync def b() -> int: ...\n"},
           "routes.py:5", "@router.get(''", ("GET /api/v1/app/hotels is declared twice", "Remove one")),
    BrokenModule("an annotation that is not imported", {"routes":
           f"{ROUTER}"
           "@router.get('/{x}', permission='teams:read')\nasync def a(x: 'Nope') -> int: ...\n"},
           "routes.py:3", "@router.get('/{x}'", ("'Nope' is not defined", "Import it")),
    BrokenModule("two operations of one name", {"routes": f"{ROUTER}"
           "@router.get('', permission='teams:read')\nasync def a() -> int: ...\n"
           "@router.get('/x', permission='teams:read')\nasync def a() -> int: ...\n"},
           "routes.py:5", "@router.get('/x'", ("have the same operation id 'hotels.a'", "Rename"), "openapi"),
    *(
        BrokenModule(f"a foreign key to {target}", {"models": "from sqlmodel import Field, SQLModel\n\n"
               "class Hotel(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n"
               f"    owner: str = Field(foreign_key={target!r})\n"}, "models.py:3", "class Hotel(SQLModel,",
               (error, "TABLE.COLUMN"), "migrate check")
        for target, error in (("userz.id", "NoReferencedTable"), ("users.idd", "NoReferencedColumn"))
    ),
    BrokenModule("a subscriber without an event", {"subscribers": "from undercroft.core.events import subscribe\n"
           "@subscribe\nasync def left(event: object) -> None: ...\n"}, "subscribers.py:2", "@subscribe",
           ("left is not an event", "@subscribe(UserDeleted)")),
    BrokenModule("a task with wrong options", {"tasks":
           "from undercroft.jobs import task\n@task(retry=3)\nasync def clean() -> None: ...\n"},
           "tasks.py:2", "@task(retry=3)", ("TypeError", "retry"), "worker"),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_error_in_a_module_is_reported_once_with_its_line_and_the_fix(
    broken: BrokenModule, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("migrated_database_url") if broken.command == "migrate check" else ""
    seen = _run(broken, tmp_path, url)
    assert seen.code == 1, seen
    file = f"modules/hotel/{broken.location}"
    assert f" {file}\n    {broken.source}" in seen.err, seen.err
    assert seen.err.count(file) == 1
    assert [words for words in broken.expected if words not in seen.err] == [], seen.err
    for never in ("Traceback", "most likely ours", "site-packages"):
        assert never not in seen.err


def _run(broken: BrokenModule, folder: Path, database_url: str) -> CommandResult:
    module = folder / "modules" / "hotel"
    module.mkdir(parents=True)
    for name, text in {"__init__": f"{MODULE}MODULE = Module()\n", **broken.files}.items():
        (module / f"{name}.py").write_text(text)
    environment = {"ENVIRONMENT": "development", "PYTHONDONTWRITEBYTECODE": "1", "DATABASE_URL": database_url}
    return run_command(*broken.command.split(), folder=folder, modules=str(folder / "modules"), **environment)
