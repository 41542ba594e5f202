"""The snapshot of the public names."""

from pathlib import Path

import pytest

import undercroft
from tests.cli.command_runner import run_command
from undercroft.cli.public_api import find_expired
from undercroft.core.deprecations import DEPRECATIONS
from undercroft.lint.deprecated_names import deprecated_names
from undercroft.lint.extension_imports import public_modules, public_names

NAMES = sorted(f"{module}.{name}" for module in public_modules() for name in public_names(module))
DEPRECATED = {
    each.name: f"{each.name}  # {each.code}: deprecated since {each.since}, removed in {each.removal}"
    for each in DEPRECATIONS
    if each.kind == "name"
}
LINES = [DEPRECATED.get(name, name) for name in NAMES]


def check(folder: Path, snapshot: list[str], option: str = "--check") -> tuple[int, str]:
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "docs" / "public_api.txt").write_text("\n".join(snapshot))
    result = run_command("public-api", option, folder=folder)
    return result.code, result.output


def test_public_names_are_listed(tmp_path: Path) -> None:
    assert run_command("public-api", folder=tmp_path).out.splitlines() == LINES
    assert {"undercroft.core.Module", "undercroft.core.http.Router", "undercroft.jobs.task"} <= set(NAMES)
    assert not [name for name in NAMES if name.startswith(("undercroft.app", "undercroft.core.http.router"))]


def test_deprecated_names_are_read_without_importing_them() -> None:
    assert {f"{module}.{name}" for module, names in deprecated_names().items() for name in names} == {*DEPRECATED}
    assert {*DEPRECATED} <= {*NAMES}


@pytest.mark.parametrize(
    ("snapshot", "message"),
    [
        (LINES[1:], f"out of date: {LINES[0]}. Run `undercroft public-api --write`."),
        (NAMES, "out of date"),
    ],
    ids=["added", "deprecated"],
)
def test_change_that_is_allowed_is_written(tmp_path: Path, snapshot: list[str], message: str) -> None:
    code, output = check(tmp_path, snapshot)
    assert (code, message in output) == (1, True), output
    assert check(tmp_path, snapshot, "--write")[0] == 0
    assert (tmp_path / "docs" / "public_api.txt").read_text().splitlines() == LINES
    assert check(tmp_path, LINES)[0] == 0


@pytest.mark.parametrize("option", ["--check", "--write"])
@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ("", "undercroft.jobs.gone was removed, but no release deprecated it."),
        ("  # UC009: deprecated since 0.2, removed in 99.0", "gone was removed, but is to work until 99.0."),
    ],
    ids=["never deprecated", "too early"],
)
def test_name_is_not_removed_before_its_release(tmp_path: Path, annotation: str, message: str, option: str) -> None:
    snapshot = sorted([*LINES, f"undercroft.jobs.gone{annotation}"])
    code, output = check(tmp_path, snapshot, option)
    assert (code, message in output) == (1, True), output
    assert (tmp_path / "docs" / "public_api.txt").read_text().splitlines() == snapshot


def test_deprecated_name_is_removed_in_its_release(tmp_path: Path) -> None:
    snapshot = sorted([*LINES, "undercroft.jobs.gone  # UC009: deprecated since 0.0.1, removed in 0.1"])
    assert check(tmp_path, snapshot, "--write")[0] == 0


def test_deprecated_name_is_not_kept_after_its_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undercroft, "__version__", "99.0")
    assert [message.partition(":")[0] for message in find_expired()] == [each.code for each in DEPRECATIONS]
