"""`undercroft new`: the files of a project, and what it refuses."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.cli.command_runner import run_command
from undercroft.core.errors import ConfigurationError
from undercroft.lint import RULES
from undercroft.lint.contract import MODULE_FILES
from undercroft.scaffolding import create_project, rendering

MAX_LINES = 150


def list_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_project_is_complete_and_short(tmp_path: Path) -> None:
    result = run_command("new", "my-shop", folder=tmp_path)
    assert (result.code, "cd my-shop && make dev" in result.out) == (0, True), result.err
    folder = tmp_path / "my-shop"
    found = list_files(folder)
    assert {"pyproject.toml", "Makefile", "Dockerfile", ".gitignore", ".env", "AGENTS.md", "README.md"} < found
    assert {".github/workflows/ci.yml", "extensions/.gitkeep", "tests/test_project.py"} < found
    assert sum(len((folder / name).read_text().splitlines()) for name in found) < MAX_LINES
    assert "\n.env\n" in "\n" + (folder / ".gitignore").read_text()
    assert (folder / ".env").stat().st_mode & 0o077 == 0
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["name"] == "my-shop"
    assert project["tool"]["undercroft"] == {"app_name": "My shop", "enabled_extensions": []}
    assert [path.name for path in tmp_path.iterdir()] == ["my-shop"]


def test_makefile_has_the_usual_verbs(tmp_path: Path) -> None:
    create_project(tmp_path / "shop", None, [])
    lines = (tmp_path / "shop" / "Makefile").read_text().splitlines()
    verbs = {verb for line in lines for verb in line.partition(":")[0].split()}
    assert verbs >= {"setup", "dev", "test", "lint", "format", "check", "worker", "doctor", "client-generate"}
    assert verbs >= {"db-migrate", "db-upgrade", "db-downgrade", "db-reset", "db-seed"}


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("db-migrate",), 'use: make db-migrate m="add a column"'),
        (("db-migrate", "m=add beds"), 'undercroft migrate new "add beds"'),
        (("db-downgrade",), "use: make db-downgrade module=hotel to=-1"),
        (("db-downgrade", "module=spa"), "undercroft migrate downgrade spa -1"),
    ],
)
def test_makefile_states_the_missing_option(tmp_path: Path, words: tuple[str, ...], out: str) -> None:
    create_project(tmp_path / "shop", None, [])
    make = ["make", "--dry-run", *words]
    done = subprocess.run(make, cwd=tmp_path / "shop", capture_output=True, text=True, check=False)
    assert out in done.stdout + done.stderr
    assert done.returncode == (0 if len(words) > 1 else 2)


def test_facts_for_agents_come_from_the_code(tmp_path: Path) -> None:
    run_command("new", "shop", folder=tmp_path)
    words = " ".join((tmp_path / "shop" / "AGENTS.md").read_text().split())
    assert [name for name, content in MODULE_FILES.items() if f"`{name}`: {content}." not in words] == []
    assert [rule for rule in RULES.values() if rule[1:] not in words] == []
    assert "new, new-extension, new-module, openapi" in words


def test_folder_with_only_git_is_accepted_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    (folder / ".git").mkdir(parents=True)
    assert run_command("new", ".", folder=folder).code == 0
    assert {".git", "Makefile", "extensions"} < {path.name for path in folder.iterdir()}
    assert not [path for path in folder.iterdir() if path.name.startswith(".shop")]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("My Shop", "For example: undercroft new my-shop"),
        ("shop!", "For example: undercroft new shop"),
        ("7up", "For example: undercroft new up"),
        ("-", "cannot be the name of a project"),
        ("undercroft", "but not undercroft"),
        ("a" * 51, "at most 50 characters"),
        ("/", "cannot be the name of a project"),
        ("full", "full contains data. Choose an empty folder or a new path."),
        ("file", "is not a folder. Choose another path."),
        ("link", "is not a folder. Choose another path."),
    ],
)
def test_invalid_path_is_refused_and_nothing_is_written(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "data").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("elsewhere")
    before = list_files(tmp_path)
    result = run_command("new", "--", path, folder=tmp_path)
    assert (result.code, message in result.err) == (2, True), result.err
    assert list_files(tmp_path) == before


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_interruption_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool) -> None:
    folder = tmp_path / "deep" / "shop"
    if exists:
        folder.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    rename, renamed = Path.rename, list[Path]()

    def interrupt(path: Path, target: Path) -> Path:
        if len(renamed) == 3 * exists:
            raise KeyboardInterrupt
        renamed.append(target)
        return rename(path, target)

    monkeypatch.setattr(rendering.Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        create_project(folder, None, [])
    assert len(renamed) == 3 * exists
    assert sorted(tmp_path.rglob("*")) == before


def test_existing_project_is_not_overwritten(tmp_path: Path) -> None:
    create_project(tmp_path / "shop", None, [])
    with pytest.raises(ConfigurationError, match=r"contains \.dockerignore"):
        create_project(tmp_path / "shop", None, [])
