"""`undercroft new-module` in a copy of the repository."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command_runner import clean_environment
from undercroft.testing.servers import Servers

REPOSITORY = Path(__file__).parents[2]
IGNORED = shutil.ignore_patterns("__pycache__", ".mypy_cache", ".new-module-*")
MODULES, TESTS = Path("src/undercroft/modules"), Path("tests/modules")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a checkout that the command and the tests of a module need."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("src", "extensions"):
        shutil.copytree(REPOSITORY / name, checkout / name, ignore=IGNORED)
    shutil.copy(REPOSITORY / "pyproject.toml", checkout)
    (checkout / TESTS).mkdir(parents=True)
    for file in [*(REPOSITORY / "tests").glob("*.py"), REPOSITORY / TESTS / "__init__.py"]:
        shutil.copy(file, checkout / file.relative_to(REPOSITORY))
    return checkout


@pytest.fixture
def checkout(original: Path) -> Path:
    """The checkout with only the modules that it had at first."""
    yield original
    for folder in (MODULES, TESTS):
        for name in ("hotel", "spa"):
            shutil.rmtree(original / folder / name, ignore_errors=True)


Done = subprocess.CompletedProcess[str]


def run(checkout: Path, *words: str, folder: Path | None = None, **environment: str) -> Done:
    own = {"PYTHONPATH": str(checkout / "src"), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder or checkout,
        env=clean_environment(own),
        capture_output=True,
        text=True,
        timeout=120,
    )


def new_module(checkout: Path, *words: str, folder: Path | None = None) -> Done:
    return run(checkout, "undercroft.cli", "new-module", *words, folder=folder)


def read_names(checkout: Path) -> list[str]:
    return sorted(path.name for folder in (MODULES, TESTS) for path in (checkout / folder).iterdir())


def test_module_passes_the_checks_and_its_tests(checkout: Path, servers: Servers) -> None:
    before = read_names(checkout)
    created = new_module(checkout, "hotel", "--entity", "suite")
    assert (created.returncode, created.stdout.splitlines()) == (
        0,
        [
            f"Created {MODULES}/hotel and {TESTS}/hotel. A running `undercroft dev` migrates and serves it at",
            "/api/v1/app/suites",
            "Next: make fix check, and make test ARGS=tests/modules/hotel",
        ],
    ), created.stderr
    assert read_names(checkout) == sorted([*before, "hotel", "hotel"])
    folders = (str(MODULES / "hotel"), str(TESTS / "hotel"))
    ours = {"TEST_DATABASE_URL": servers.manager_url, "TEST_REDIS_URL": servers.redis_url}
    for command in (
        ("ruff", "check", "--no-cache", *folders),
        ("ruff", "format", "--check", "--no-cache", *folders),
        ("undercroft.cli", "check"),
        ("pytest", "-q", "-p", "no:cacheprovider", folders[1]),
    ):
        done = run(checkout, *command, **ours)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("........ ")


REFUSALS = (
    (("spa", None), "src/undercroft/modules/spa exists. Choose another name: undercroft new-module my_spa"),
    (("hotel", "spa"), "Undercroft has spas already. Choose another entity: undercroft new-module hotel --entity"),
    (("hotel", "room"), "extensions/example/resources.py has rooms already."),
    (("hotel", "team"), "/api/v1/app/teams exists."),
    (("hotel", "resource"), "would hide a class that the code uses"),
    (("class", None), "no keyword of Python"),
    (("../spa", None), "For example: undercroft new-module spa"),
    (("Spa", None), "For example: undercroft new-module spa"),
    (("sp\u00e4", None), "For example: undercroft new-module sp"),
    (("a" * 21, None), f"For example: undercroft new-module {'a' * 20}"),
    (("teams", None), "Choose another name: undercroft new-module my_teams"),
    (("core", None), "Choose another name: undercroft new-module my_core"),
    (("example", None), "An extension has this name"),
    (("dev", None), "`undercroft dev` is a command"),
)
TRY_ALL = """
import ast, sys
from undercroft.core.errors import ConfigurationError
from undercroft.scaffolding import create_module
for arguments in ast.literal_eval(sys.argv[1]):
    try:
        print(create_module(*arguments))
    except ConfigurationError as error:
        print(error)
"""


def test_invalid_and_taken_names_are_refused_with_another_one(checkout: Path) -> None:
    assert new_module(checkout, "spa").returncode == 0
    before = read_names(checkout)
    (checkout / "try_all.py").write_text(TRY_ALL)
    printed = run(checkout, "try_all", repr([arguments for arguments, _ in REFUSALS])).stdout.splitlines()
    assert [(line, message) for line, (_, message) in zip(printed, REFUSALS, strict=True) if message not in line] == []
    assert read_names(checkout) == before
    refused = new_module(checkout, "Spa")
    assert (refused.returncode, "For example: undercroft new-module spa" in refused.stderr) == (2, True)


def test_outside_of_a_checkout_it_names_the_other_command(checkout: Path, tmp_path: Path) -> None:
    refused = new_module(checkout, "spa", folder=tmp_path)
    assert (refused.returncode, "in a project, use undercroft new-extension spa" in refused.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
    refused = new_module(checkout, "spa", folder=checkout / "src")
    assert (refused.returncode, f"Run it in {checkout}." in refused.stderr) == (2, True)


FAIL = """
import os, pathlib, signal, sys
from undercroft.scaffolding import create_module
steps = iter(range({step}))
def interrupt(original):
    def call(*arguments, **options):
        if next(steps, None) is None:
            {action}
        return original(*arguments, **options)
    return call
pathlib.Path.rename = interrupt(pathlib.Path.rename)
create_module("spa", None)
"""


def test_full_disk_leaves_nothing_behind(checkout: Path) -> None:
    before = read_names(checkout)
    code = FAIL.format(step=1, action="raise OSError(28, 'No space left on device')")
    (checkout / "fail.py").write_text(code)
    assert "No space left" in run(checkout, "fail").stderr
    assert read_names(checkout) == before


def test_next_run_removes_what_killed_ones_left_behind(checkout: Path) -> None:
    before = read_names(checkout)
    for step in (0, 1):
        (checkout / "fail.py").write_text(FAIL.format(step=step, action="os.kill(os.getpid(), signal.SIGKILL)"))
        assert run(checkout, "fail").returncode == -signal.SIGKILL
        assert read_names(checkout) != before
    assert new_module(checkout, "spa").returncode == 0
    assert read_names(checkout) == sorted([*before, "spa", "spa"])
