"""An extension that is installed as a package: everything of it appears when it is enabled, and nothing otherwise."""

from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.cli.command_runner import CommandResult, run_command

EXAMPLE = Path(__file__).parents[2] / "extensions" / "example"
METADATA = "Metadata-Version: 2.1\nName: motel\nVersion: 1.0\n"
ENTRY_POINTS = "[undercroft.modules]\nmotel = motel\n"

Run = Callable[..., CommandResult]


def build_wheel(folder: Path) -> Path:
    """Build a wheel of the example extension under another name."""
    wheel = folder / "motel-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for file in sorted(EXAMPLE.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts and "tests" not in file.parts:
                name = f"motel/{file.relative_to(EXAMPLE)}".replace("example", "motel")
                archive.writestr(
                    name, file.read_text().replace("extensions.example", "motel").replace("example", "motel")
                )
        archive.writestr("motel-1.0.dist-info/METADATA", METADATA)
        archive.writestr("motel-1.0.dist-info/entry_points.txt", ENTRY_POINTS)
    return wheel


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A function that runs `undercroft` in a project where the wheel is installed."""
    site, project = tmp_path / "site", tmp_path / "project"
    project.mkdir()
    with ZipFile(build_wheel(tmp_path)) as archive:
        archive.extractall(site)

    def run_enabled(*words: str, enabled: str = "motel") -> CommandResult:
        return run_command(
            *words, folder=project, path=str(site), ENVIRONMENT="development", ENABLED_EXTENSIONS=enabled
        )

    return run_enabled


def test_everything_of_an_enabled_extension_appears(run: Run) -> None:
    assert "/api/v1/app/ext/motel/rooms" in (routes := run("routes", "motel").out)
    assert "/api/v1/admin/ext/motel/rooms/count" in routes
    assert "/ext/motel/opening-hours" in routes
    assert "# MOTEL_KEEP_DAYS=90" in run("env").out
    assert "Inspect rooms." in run("--help").out
    assert "Print the number of rooms" in run("motel", "--help").out
    assert '"/api/v1/app/ext/motel/bookings"' in run("openapi").out
    assert "motel" in run("doctor").out
    assert "Models and migrations match" in run("migrate", "check", "--temporary").out


def test_nothing_of_a_disabled_extension_is_left(run: Run) -> None:
    for words in (["routes"], ["env"], ["--help"], ["openapi"]):
        result = run(*words, enabled="")
        assert (result.code, "motel" in result.output.lower()) == (0, False)
    assert run("motel", "count", enabled="").code == 2


def test_unknown_extension_names_the_installed_one(run: Run) -> None:
    assert "Did you mean motel?" in run("routes", enabled="motl").err
