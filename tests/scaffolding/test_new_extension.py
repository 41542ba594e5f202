"""`undercroft new-extension`: the generated code is checked, typed, migrated and tested like hand-written code."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cli.command_runner import clean_environment, run_command
from undercroft.core.errors import ConfigurationError
from undercroft.scaffolding import create_extension, create_project, extension
from undercroft.testing.servers import Servers

LONGEST = "a" * 10 + "_" + "b" * 9


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, which is the working directory."""
    folder = create_project(tmp_path / "shop", None, []).folder
    monkeypatch.chdir(folder)
    return folder


def enabled(folder: Path) -> list[str]:
    table = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["undercroft"]
    return list(table["enabled_extensions"])


def start(folder: Path, *words: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=clean_environment({"PYTHONDONTWRITEBYTECODE": "1", **environment}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_generated_extension_passes_all_checks_and_its_tests(shop: Path, servers: Servers) -> None:
    create_extension("hotel", "room")
    ours = {"TEST_DATABASE_URL": servers.manager_url, "TEST_REDIS_URL": servers.redis_url}
    running = [
        start(shop, "pytest", "-q", "-p", "no:cacheprovider", **ours),
        start(shop, "mypy", "--cache-dir", os.devnull),
        start(shop, "ruff", "check", "--no-cache"),
    ]
    printed = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), "\n".join(printed)
    assert "9 passed" in printed[0]


def test_generated_extensions_are_part_of_the_application(shop: Path, migrated_database_url: str) -> None:
    assert run_command("new-extension", "hotel", "--entity", "spare_key", folder=shop).code == 0
    assert run_command("new-extension", "spa", folder=shop).code == 0
    assert enabled(shop) == ["hotel", "spa"]

    def run(*words: str) -> str:
        result = run_command(*words, folder=shop, ENVIRONMENT="development", DATABASE_URL=migrated_database_url)
        assert result.code == 0, result.output
        return result.out

    routes = run("routes")
    assert "/api/v1/app/ext/hotel/spare-keys" in routes
    assert "spare_keys:write" in routes
    assert "/ext/hotel/about" in routes
    assert "/api/v1/app/ext/spa/spas" in routes
    assert "# HOTEL_KEEP_DAYS=30" in run("env")
    for command in (("check",), ("openapi", "--check"), ("migrate", "upgrade"), ("migrate", "check")):
        run(*command)
    run("migrate", "downgrade", "hotel", "base", "--yes")
    run("migrate", "upgrade")


def test_generated_code_is_formatted_whatever_the_name(shop: Path) -> None:
    for name, entity in (("a", "b"), (LONGEST, LONGEST), ("spa", None)):
        create_extension(name, entity)
    process = start(shop, "ruff", "format", "--check", "--no-cache")
    printed, _ = process.communicate()
    assert process.returncode == 0, printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["my-hotel"], "For example: undercroft new-extension my_hotel"),
        (["Hotel"], "For example: undercroft new-extension hotel"),
        (["../hotel"], "For example: undercroft new-extension hotel"),
        (["/tmp/hotel"], "cannot be the name of an extension"),
        (["hotel_"], "cannot be the name of an extension"),
        ([""], "cannot be the name of an extension"),
        (["hôtel"], "cannot be the name of an extension"),
        (["hotel\n"], "cannot be the name of an extension"),
        (["class"], "no keyword of Python"),
        (["a" * 21], "at most 20 characters"),
        (["projects"], "A built-in module has this name. Choose another name: undercroft new-extension my_projects"),
        (["doctor"], "`undercroft doctor` is a command"),
        (["email"], "A module of Python has this name"),
        (["tests"], "Undercroft uses this name itself"),
        (["taken"], "extensions/taken exists. Choose another name"),
        (["link"], "extensions/link exists. Choose another name"),
        (["hotel", "--entity", "Room"], "For example: undercroft new-extension hotel --entity room"),
        (["hotel", "--entity", "import"], "no keyword of Python"),
        (["hotel", "--entity", "project"], "Undercroft has projects already. Choose another entity"),
        (["hotel", "--entity", "field"], "The class Field would hide a class that the code uses"),
    ],
)
def test_invalid_name_is_refused_and_nothing_is_written(shop: Path, words: list[str], message: str) -> None:
    (shop / "extensions" / "taken").mkdir()
    (shop / "extensions" / "link").symlink_to("elsewhere")
    before = sorted(shop.rglob("*"))
    result = (
        run_command("new-extension", "--", *words, folder=shop)
        if len(words) == 1
        else run_command("new-extension", *words, folder=shop)
    )
    assert (result.code, message in result.err) == (2, True), result.output
    assert sorted(shop.rglob("*")) == before
    assert enabled(shop) == []


def test_entity_of_another_extension_is_refused(shop: Path) -> None:
    create_extension("hotel", "room")
    with pytest.raises(ConfigurationError, match=r"extensions/hotel/resources.py has rooms already.*--entity spa_room"):
        create_extension("spa", "room")
    assert enabled(shop) == ["hotel"]


def test_command_outside_a_project_names_the_project(shop: Path, tmp_path: Path) -> None:
    assert "Create a project with `undercroft new shop`" in run_command("new-extension", "hotel", folder=tmp_path).err
    result = run_command("new-extension", "hotel", folder=shop / "extensions")
    assert (result.code, f"Run it in {shop}." in result.err) == (2, True)


def test_linked_folder_of_extensions_is_refused(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (shop / "extensions" / ".gitkeep").unlink()
    (shop / "extensions").rmdir()
    (shop / "extensions").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigurationError, match="is a link"):
        create_extension("hotel", None)
    assert list((tmp_path / "outside").iterdir()) == []


def test_error_while_enabling_removes_the_extension(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_name: str) -> str:
        raise KeyboardInterrupt

    before = sorted(shop.rglob("*"))
    monkeypatch.setattr(extension, "_enable", interrupt)
    with pytest.raises(KeyboardInterrupt):
        create_extension("hotel", None)
    assert sorted(shop.rglob("*")) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '\n[tool.undercroft]\nenabled_extensions = ["hotel"]\n'),
        ("[tool.undercroft]\n", '[tool.undercroft]\nenabled_extensions = ["hotel"]\n'),
        (
            "[tool.undercroft] # ours\nenabled_extensions = [\n    'spa',  # wellness\n]\n",
            "[tool.undercroft] # ours\nenabled_extensions = [\n    'spa',  # wellness\n]\n",
        ),
        (
            '[tool.undercroft]\nenabled_extensions = ["spa",]\n[tool.other]\nenabled_extensions = []\n',
            '[tool.undercroft]\nenabled_extensions = ["spa", "hotel"]\n[tool.other]\nenabled_extensions = []\n',
        ),
        ('[tool.undercroft]\nenabled_extensions = "spa"\n', '[tool.undercroft]\nenabled_extensions = "spa"\n'),
    ],
    ids=["no-table", "no-list", "comment", "list", "text"],
)
def test_project_file_is_extended_or_the_rest_is_named(shop: Path, before: str, after: str) -> None:
    (shop / "pyproject.toml").write_text(before)
    created = create_extension("hotel", None)
    assert (shop / "pyproject.toml").read_text().strip() == after.strip()
    assert ('add "hotel" to enabled_extensions' in created.to_do) is (before == after)


def test_overriding_setting_is_named(shop: Path) -> None:
    (shop / ".env").write_text("ENABLED_EXTENSIONS=spa\n")
    assert "add hotel to ENABLED_EXTENSIONS in .env" in create_extension("hotel", None).to_do
    assert enabled(shop) == ["hotel"]
