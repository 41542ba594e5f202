"""Import rules between layers and modules, and that the checks detect violations."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import undercroft
from tests.enabled import DISABLED
from undercroft.app.discovery import LoadedModule, find_modules

ROOT = Path(undercroft.__file__).parent
PROJECT = ROOT.parents[1]
PREFIX = "undercroft.modules."


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imports_of(module: LoadedModule) -> Iterator[tuple[Path, str]]:
    for path in sorted(module.folder.rglob("*.py")):
        for name in imported(path):
            if name.startswith(PREFIX) and name.split(".")[2] != module.name:
                yield path, name


@pytest.mark.parametrize("module", find_modules(DISABLED), ids=lambda module: module.name)
def test_module_imports_only_required_modules(module: LoadedModule) -> None:
    allowed = requirements(module)
    used = {name.split(".")[2] for _, name in imports_of(module)}
    assert used <= allowed


def requirements(module: LoadedModule) -> set[str]:
    known = {each.name: each for each in find_modules(DISABLED)}
    found: set[str] = set()
    for name in module.declaration.requires:
        found |= {name} | requirements(known[name])
    return found


def test_importing_the_packages_of_all_modules_loads_no_routes_tasks_or_admin() -> None:
    code = (
        "import sys; from undercroft.app.discovery import find_modules; find_modules(); "
        "print([n for n in sys.modules if n.startswith('undercroft.modules.') "
        "and n.split('.')[3:] in (['routes'], ['tasks'], ['admin'], ['pages'])])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


LATER = {
    "argon2",
    "cryptography",
    "email_validator",
    "html.parser",
    "http.cookiejar",
    "httpx2",
    "jinja2",
    "prometheus_client",
    "redis",
}


def test_building_the_application_imports_nothing_that_only_requests_need():
    code = f"import sys; from undercroft.app.api import offline_app; offline_app(); print({LATER} & set(sys.modules))"
    environment = os.environ | {"ENVIRONMENT": "production"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


PLANTED = [
    ("core/ids.py", "undercroft.jobs"),
    ("core/spreadsheets.py", "undercroft.modules.users"),
    ("jobs/errors.py", "undercroft.providers.email"),
    ("modules/teams/errors.py", "undercroft.devstack"),
    ("app/seeding.py", "undercroft.testing"),
]


def test_forbidden_imports_break_a_contract(tmp_path: Path) -> None:
    shutil.copytree(ROOT, tmp_path / "undercroft", ignore=shutil.ignore_patterns("__pycache__", "*.gz", "static"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    for file, imported_name in PLANTED:
        planted = tmp_path / "undercroft" / file
        planted.write_text(f"{planted.read_text(encoding='utf-8')}\nimport {imported_name}\n", encoding="utf-8")
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
    for file, imported_name in PLANTED:
        importer = f"undercroft.{file.removesuffix('.py').replace('/', '.')}"
        assert re.search(rf"{importer} -> {imported_name}\b", done.stdout), done.stdout


def test_undeclared_dependency_is_detected(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "core", tmp_path / "src" / "undercroft" / "core")
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    (tmp_path / "src" / "undercroft" / "core" / "planted.py").write_text("import click, werkzeug\n", encoding="utf-8")
    linter = Path(sys.executable).with_name("deptry")
    done = subprocess.run([linter, "--no-ansi", "src"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert set(re.findall(r"DEP00[134] '(\w+)'", done.stderr)) == {"click", "werkzeug"}, done.stderr


CONNECTING = {
    # devstack connects to a server that it has just started; the heartbeat process imports the driver alone.
    "asyncpg.connect": {"core/db/connect.py", "devstack/roles.py", "jobs/heartbeat_process.py"},
    "asyncpg.create_pool": set[str](),
    "create_async_engine": {"core/db/connect.py"},
}
"""Files that may open connections to PostgreSQL. Other code would not be compatible with a transaction pooler."""


@pytest.mark.parametrize("function", CONNECTING)
def test_connections_are_opened_only_in_listed_files(function: str) -> None:
    callers = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if "testing" not in path.relative_to(ROOT).parts and function in called(path)
    }
    assert callers == CONNECTING[function]


def called(path: Path) -> set[str]:
    """Yield the dotted names of all calls in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
