"""The rooms and their doors: which code may import which, and that the checks notice when it does not hold."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import undercroft
from undercroft.app.discovery import Module, modules

ROOT = Path(undercroft.__file__).parent
PROJECT = ROOT.parents[1]
PREFIX = "undercroft.modules."


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a file imports from other modules of the product."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imports_of(module: Module) -> Iterator[tuple[Path, str]]:
    for path in sorted(module.folder.rglob("*.py")):
        for name in imported(path):
            if name.startswith(PREFIX) and name.split(".")[2] != module.name:
                yield path, name


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_module_uses_only_what_another_offers(module: Module) -> None:
    reached = [f"{path.name} imports {name}" for path, name in imports_of(module) if name.count(".") > 2]
    assert reached == []


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_module_uses_only_modules_that_it_requires(module: Module) -> None:
    allowed = requirements(module)
    used = {name.split(".")[2] for _, name in imports_of(module)}
    assert used <= allowed


def requirements(module: Module) -> set[str]:
    known = {each.name: each for each in modules()}
    found: set[str] = set()
    for name in module.requires:
        found |= {name} | requirements(known[name])
    return found


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_modules_front_door_opens_without_routes_tasks_or_admin(module: Module) -> None:
    code = (
        f"import sys, undercroft.modules.{module.name}; "
        "print([n for n in sys.modules if n.startswith('undercroft.modules.') "
        "and n.split('.')[-1] in ('routes', 'tasks', 'admin', 'pages')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


LATER = {
    "argon2",
    "cryptography",
    "email_validator",
    "html.parser",
    "http.cookiejar",
    "httpx",
    "jinja2",
    "prometheus_client",
    "redis",
}


def test_an_application_is_put_together_without_what_only_its_requests_need():
    code = f"import sys; from undercroft.app.api import offline_app; offline_app(); print({LATER} & set(sys.modules))"
    environment = os.environ | {"ENVIRONMENT": "production"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


PLANTED = [
    ("core/ids.py", "import undercroft.jobs"),
    ("core/ids.py", "import undercroft.modules.users"),
    ("jobs/errors.py", "import undercroft.providers.email"),
    ("modules/teams/errors.py", "import undercroft.devstack"),
    ("app/seeds.py", "import undercroft.testing"),
]


@pytest.mark.parametrize(("file", "line"), PLANTED)
def test_a_planted_wrong_import_breaks_a_contract(tmp_path: Path, file: str, line: str) -> None:
    shutil.copytree(ROOT, tmp_path / "undercroft", ignore=shutil.ignore_patterns("__pycache__", "*.gz", "static"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    planted = tmp_path / "undercroft" / file
    planted.write_text(f"{planted.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert linter is not None
    done = subprocess.run(
        [linter, "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


CONNECTING = {
    # devstack connects to a server that it has just started; the heartbeat process imports the driver alone.
    "asyncpg.connect": {"core/db/connect.py", "devstack/roles.py", "jobs/heartbeat_process.py"},
    "asyncpg.create_pool": set[str](),
    "create_async_engine": {"core/db/connect.py", "core/db/pool.py"},
}
"""Who may open a connection to PostgreSQL; others miss what a transaction pooler does not bear."""


@pytest.mark.parametrize("function", CONNECTING)
def test_connections_are_opened_in_one_place(function: str) -> None:
    callers = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if "testing" not in path.relative_to(ROOT).parts and function in called(path)
    }
    assert callers == CONNECTING[function]


def called(path: Path) -> set[str]:
    """The dotted names of what a file calls."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
