"""Runs `undercroft` commands and captures their output."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PRODUCTION = {
    "SECRET_KEY": "kJ8v2Qz7Xw1Rb5Nt9Ys3Lm6Pc4Hd0Gf8Ea",
    "PUBLIC_URL": "https://app.example.com",
    "SMTP_HOST": "smtp.example.com",
    "EMAIL_FROM": "no-reply@example.com",
}
"""All settings that production requires, except the database."""


@dataclass(frozen=True)
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def output(self) -> str:
        return self.out + self.err


def run_command(
    *words: str, folder: Path, stdin: str = "", path: str = "", modules: str = "", **environment: str
) -> CommandResult:
    """Run `undercroft WORDS` in a folder with only this environment and without a terminal.

    `path` is a folder of additional installed packages, and `modules` one of additional built-in modules.
    """
    request = {"words": words, "folder": str(folder), "stdin": stdin, "path": path, "modules": modules}
    request["environment"] = clean_environment(environment)
    process = get_fork_server()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    return CommandResult(**json.loads(process.stdout.readline()))


def run_on_terminal(*words: str, folder: Path, columns: int) -> str:
    """Return the output of `undercroft WORDS` on a terminal of this width, without colors."""
    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "undercroft.cli", *words],
        cwd=folder,
        env=clean_environment({"COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "dumb"}),
        stdin=subprocess.DEVNULL,
        stdout=slave,
    )
    os.close(slave)
    printed = b""
    with suppress(OSError):  # Linux reports the end of a terminal as an error
        while chunk := os.read(master, 65536):
            printed += chunk
    os.close(master)
    assert process.wait() == 0
    return printed.decode()


@cache
def get_fork_server() -> "subprocess.Popen[str]":
    """Start the process that has imported the application; it ends when the test process ends."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cli.fork_server"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return a minimal environment plus `more`."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    return {**inherited, **more}
