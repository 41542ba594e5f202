"""Commands in the folder of a running stack."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.test_extensions import ROUTES, write_extension
from tests.cli.command_runner import run_command
from undercroft.devstack.state import DevState, exclusive_lock

SETTINGS = """from undercroft.core.settings import SettingsBase, SettingsConfigDict
class HotelSettings(SettingsBase):
    section = "Hotel"
    model_config = SettingsConfigDict(env_prefix="hotel_")
    beds: int = 2
"""
COMMANDS = "import typer\napp = typer.Typer()\n@app.command()\ndef count(): typer.echo('two')\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The project of a running stack with the extension hotel."""
    write_extension(tmp_path, {"routes.py": ROUTES, "settings.py": SETTINGS, "commands.py": COMMANDS})
    state = tmp_path / ".undercroft"
    state.mkdir()
    DevState(enabled_extensions="hotel").write(state)
    with exclusive_lock(state):
        yield tmp_path


INSPECTIONS = [
    (("routes", "rooms"), "/api/v1/app/ext/hotel/rooms"),
    (("openapi",), "/api/v1/app/ext/hotel/rooms"),
    (("env",), "# HOTEL_BEDS=2"),
    (("--help",), "hotel "),
    (("hotel", "--help"), "undercroft hotel"),
]


@pytest.mark.parametrize(("words", "expected"), INSPECTIONS, ids=[" ".join(words) for words, _ in INSPECTIONS])
def test_commands_show_the_extensions_of_the_running_stack(folder: Path, words: tuple[str, ...], expected: str) -> None:
    assert expected in run_command(*words, folder=folder).out
    assert expected not in run_command(*words, folder=folder, ENVIRONMENT="production").out


def test_env_writes_the_same_file_whether_or_not_a_stack_is_running(folder: Path) -> None:
    assert run_command("env", "--write", folder=folder).code == 0
    assert "HOTEL" not in (folder / ".env.example").read_text()
    assert run_command("env", "--check", folder=folder).code == 0
