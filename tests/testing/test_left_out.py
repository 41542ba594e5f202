"""DISABLED_MODULES leaves out the tests of these modules, visibly, and no other test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from undercroft.testing.left_out import find_needed_modules

FILES = {
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-q --strict-markers -p no:cacheprovider"\n',
    "extensions/hotel/__init__.py": 'from undercroft.core import Module\nMODULE = Module(requires=("mfa",))\n',
    "extensions/hotel/tests/test_hotel.py": "def test_hotel(): ...\n",
    "tests/flag_helpers.py": "from undercroft.modules.flags import Flag\n",
    "tests/mfa/conftest.py": "import undercroft.modules.mfa.models\n",
    "tests/mfa/test_codes.py": "def test_code(): ...\n",
    "tests/modules/projects/test_routes.py": "def test_list(): ...\n",
    "tests/test_helper.py": """\
from tests import flag_helpers
def test_a(): ...
class TestB:
    def test_b(self): ...
""",
    "tests/test_relative.py": "from .flag_helpers import Flag\ndef test_relative(): ...\n",
    "tests/test_teams.py": "from undercroft.modules import teams\n",
    "tests/test_late.py": """\
from typing import TYPE_CHECKING
import pytest
if TYPE_CHECKING:
    from undercroft.modules.flags import Flag
def test_late():
    from undercroft.modules.projects import Project
@pytest.mark.requires_module("flags")
@pytest.mark.parametrize("number", [1, 2])
def test_marked(number):
    raise AssertionError
@pytest.mark.parametrize("case", ["a", pytest.param("b", marks=pytest.mark.requires_module("flags"))])
def test_partly_marked(case):
    assert case == "a"
""",
}
NEEDED = {
    "extensions/hotel/tests/test_hotel.py": {"mfa"},
    "tests/mfa/test_codes.py": {"mfa"},
    "tests/modules/projects/test_routes.py": {"projects"},
    "tests/test_helper.py": {"flags"},
    "tests/test_relative.py": {"flags"},
    "tests/test_teams.py": set(),
    "tests/test_late.py": set(),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, source in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    return tmp_path


def run(folder: Path, disabled: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = (sys.executable, "-m", "pytest", *arguments)
    environment = {"PATH": os.environ["PATH"], "DISABLED_MODULES": disabled, "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("file", NEEDED)
def test_needed_modules_are_found_in_imports_folders_and_declarations(project: Path, file: str) -> None:
    assert find_needed_modules(project / file, project) == NEEDED[file]


@pytest.mark.parametrize("workers", ["0", "1"])
def test_run_leaves_out_the_tests_of_a_disabled_module_and_lists_them(project: Path, workers: str) -> None:
    result = run(project, "flags", "-n", workers, "tests")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "disabled modules: flags; 2 test files need them and are left out" in result.stdout
    assert "4 passed" in result.stdout
    assert "flags: 5 test functions, 2 whole files" in result.stdout


def test_run_of_only_left_out_files_succeeds(project: Path) -> None:
    result = run(project, "flags", "tests/test_helper.py")
    assert (result.returncode, "total: 2 test functions, 1 whole files" in result.stdout) == (0, True), result.stdout


def test_run_without_disabled_modules_runs_and_prints_as_before(project: Path) -> None:
    result = run(project, "", "tests/test_late.py")
    assert (result.returncode, "3 failed, 2 passed" in result.stdout) == (1, True)
    assert "left out" not in result.stdout


@pytest.mark.parametrize(
    ("disabled", "marked", "message"),
    [
        ("mfa", "flags", "DISABLED_MODULES contains mfa, without which admin, console, web cannot run."),
        ("[flags", "flags", "DISABLED_MODULES must be names separated by commas, or a JSON list."),
        ("", "flgas", "There is no module flgas. Did you mean flags?"),
    ],
)
def test_wrong_module_is_refused(project: Path, disabled: str, marked: str, message: str) -> None:
    (project / "tests/test_late.py").write_text(FILES["tests/test_late.py"].replace('"flags"', f'"{marked}"'))
    result = run(project, disabled, "tests/test_late.py")
    assert (result.returncode, message in result.stderr, "Traceback" in result.stderr) == (4, True, False), result
