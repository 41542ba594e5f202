"""The command line interface."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ("db", "dev", "doctor", "env", "migrate", "openapi", "routes", "seed", "serve", "shell", "worker")


def undercroft(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPYCACHEPREFIX") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "undercroft.cli", *arguments],
        cwd=cwd,
        env=kept | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command(tmp_path: Path):
    done = undercroft("--help", cwd=tmp_path)

    assert done.returncode == 0
    listed = [line.strip("│ \n") for line in done.stdout.splitlines()]
    for command in COMMANDS:
        assert any(line.startswith(f"{command} ") for line in listed), command
    assert "\033[" not in done.stdout


def test_unknown_command_prints_a_suggestion_on_stderr(tmp_path: Path):
    done = undercroft("sevre", cwd=tmp_path)
    assert done.returncode == 2
    assert "serve" in done.stderr
    assert not done.stdout


def test_cli_imports_neither_web_framework_nor_orm(tmp_path: Path):
    heavy = "import sys, undercroft.cli; print(*{'fastapi', 'sqlalchemy', 'pydantic', 'asyncpg'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == []


def test_invalid_settings_print_one_message_and_exit_with_2(tmp_path: Path):
    done = undercroft("seed", cwd=tmp_path, DATABASE_URL="mysql://secret@host/x")

    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert "DATABASE_URL" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """An environment in which importing a dependency raises an unexpected error."""
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("")
    (tmp_path / "rich" / "markup.py").write_text("raise LookupError('no such luck')")
    (tmp_path / "typer_without_rich").touch()
    return {"PYTHONPATH": str(tmp_path), "TYPER_USE_RICH": "0"}


def test_unexpected_error_is_short_and_prints_a_traceback_with_debug(tmp_path: Path, broken: dict[str, str]):
    short = undercroft("doctor", cwd=tmp_path, **broken)
    assert short.returncode == 1
    assert "LookupError: no such luck" in short.stderr
    assert "UNDERCROFT_DEBUG=1" in short.stderr
    assert "Traceback" not in short.stderr

    for long in (
        undercroft("--debug", "doctor", cwd=tmp_path, **broken),
        undercroft("doctor", cwd=tmp_path, **broken, UNDERCROFT_DEBUG="1"),
    ):
        assert long.returncode == 1
        assert "Traceback" in long.stderr


def test_db_commands_fail_when_database_url_is_set(tmp_path: Path):
    for command in (("stop",), ("reset", "--yes"), ("url",)):
        done = undercroft("db", *command, cwd=tmp_path, DATABASE_URL="postgresql://a:b@127.0.0.1:9/c")
        assert done.returncode == 2
        assert "DATABASE_URL is set" in done.stderr


def test_db_stop_fails_when_dev_is_not_running(tmp_path: Path):
    done = undercroft("db", "stop", cwd=tmp_path)
    assert done.returncode == 2
    assert "undercroft dev" in done.stderr
