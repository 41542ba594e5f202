"""`undercroft add`: enable a built-in module that the project disabled."""

import tomllib
from pathlib import Path

import pytest

from tests.cli.command_runner import run_command


def write_project(folder: Path, disabled: str) -> Path:
    file = folder / "pyproject.toml"
    file.write_text(
        f'[project]\nname = "shop"\n\n[tool.undercroft]\napp_name = "Shop"\ndisabled_modules = {disabled}\n'
    )
    return file


def disabled_modules(file: Path) -> list[str]:
    return list(tomllib.loads(file.read_text())["tool"]["undercroft"]["disabled_modules"])


def test_module_is_enabled_with_those_that_it_needs_and_its_migrations_are_named(tmp_path: Path) -> None:
    file = write_project(tmp_path, '["admin", "identities", "mfa", "projects", "web"]')
    result = run_command("add", "web", folder=tmp_path)
    assert result.code == 0, result.output
    assert "Enabled web, and identities and mfa, which it needs, in pyproject.toml." in result.out
    assert "  mfa 0001_" in result.out
    assert "undercroft migrate upgrade" in result.out
    assert disabled_modules(file) == ["admin", "projects"]
    assert run_command("add", "projects", folder=tmp_path).code == 0
    assert disabled_modules(file) == ["admin"]
    assert "/api/v1/app/projects" in run_command("routes", "projects", folder=tmp_path).out


@pytest.mark.requires_module("projects")
def test_migrations_that_the_database_has_are_not_named(tmp_path: Path, migrated_database_url: str) -> None:
    write_project(tmp_path, '["projects"]')
    result = run_command("add", "projects", folder=tmp_path, DATABASE_URL=migrated_database_url)
    assert (result.code, "0001_projects" in result.out, "Restart servers" in result.out) == (0, False, True)


@pytest.mark.requires_module("projects")
def test_pending_migrations_of_the_database_are_named(tmp_path: Path, empty_database_url: str) -> None:
    write_project(tmp_path, '["projects"]')
    result = run_command("add", "projects", folder=tmp_path, DATABASE_URL=empty_database_url)
    assert (result.code, "  projects 0001_projects" in result.out) == (0, True), result.output


def test_environment_file_is_changed_if_it_has_the_list(tmp_path: Path) -> None:
    file = write_project(tmp_path, '["projects"]')
    (tmp_path / ".env").write_text("# ours\nDISABLED_MODULES=jobs,projects # for now\n")
    assert "in .env" in run_command("add", "projects", folder=tmp_path).out
    assert (tmp_path / ".env").read_text() == "# ours\nDISABLED_MODULES=jobs # for now\n"
    assert disabled_modules(file) == ["projects"]
    assert run_command("add", "jobs", folder=tmp_path).code == 0
    assert (tmp_path / ".env").read_text() == "# ours\nDISABLED_MODULES=[] # for now\n"


@pytest.mark.parametrize(
    ("module", "environment", "code", "message"),
    [
        ("projetcs", "", 2, "There is no module projetcs. Did you mean projects?"),
        ("billing_x", "", 2, "There is no module billing_x. Optional modules: admin, "),
        ("teams", "", 2, "teams is always enabled."),
        ("mfa", "", 0, "mfa is enabled."),
        ("projects", "projects,jobs", 2, "Change it there: DISABLED_MODULES=jobs"),
    ],
)
def test_what_cannot_be_added_is_refused(
    tmp_path: Path, module: str, environment: str, code: int, message: str
) -> None:
    before = (file := write_project(tmp_path, '["projects"]')).read_text()
    settings = {"DISABLED_MODULES": environment} if environment else {}
    result = run_command("add", module, folder=tmp_path, **settings)
    assert (result.code, message in result.output) == (code, True), result.output
    assert file.read_text() == before
