"""The snapshot of the public names."""

from pathlib import Path

import pytest

from tests.cli.command_runner import run_command
from undercroft.lint.extension_imports import public_modules, public_names

NAMES = sorted(f"{module}.{name}" for module in public_modules() for name in public_names(module))


def test_public_names_are_listed(tmp_path: Path) -> None:
    assert run_command("public-api", folder=tmp_path).out.split() == NAMES
    assert {"undercroft.core.Module", "undercroft.core.http.Router", "undercroft.jobs.task"} <= set(NAMES)
    assert not [name for name in NAMES if name.startswith(("undercroft.app", "undercroft.core.http.router"))]


@pytest.mark.parametrize(
    ("snapshot", "code", "message"),
    [
        (NAMES, 0, "unchanged"),
        ([*NAMES, "undercroft.jobs.gone"], 1, "These public names were removed: undercroft.jobs.gone."),
        (NAMES[1:], 1, f"lacks {NAMES[0]}. Run `undercroft public-api --write`."),
    ],
    ids=["unchanged", "removed", "added"],
)
def test_removed_and_added_names_are_reported(tmp_path: Path, snapshot: list[str], code: int, message: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "public_api.txt").write_text("\n".join(snapshot))
    result = run_command("public-api", "--check", folder=tmp_path)
    assert (result.code, message in result.output) == (code, True), result
