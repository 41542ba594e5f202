"""Runs `undercroft` commands and captures their output."""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import rmtree
from socket import AF_UNIX, send_fds, socket
from tempfile import TemporaryFile, mkdtemp
from typing import IO

from tests.enabled import SAME_MODULES

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
    request = {"words": words, "folder": str(folder), "path": path, "modules": modules}
    request["environment"] = clean_environment(environment)
    with TemporaryFile() as stream, TemporaryFile() as out, TemporaryFile() as err, socket(AF_UNIX) as server:
        stream.write(stdin.encode())
        stream.seek(0)
        server.connect(str(get_fork_server()))
        send_fds(server, [b"."], [stream.fileno(), out.fileno(), err.fileno()])
        server.sendall(json.dumps(request).encode() + b"\n")
        with server.makefile() as lines:
            code = int(lines.readlines()[1])
        return CommandResult(code, _read_all(out), _read_all(err))


def _read_all(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys

forwarded = (signal.SIGINT, signal.SIGTERM)
signal.pthread_sigmask(signal.SIG_BLOCK, forwarded)
folder, environment = os.getcwd(), dict(os.environ)
request = {{"words": sys.argv[1:], "folder": folder, "environment": environment, "path": "", "modules": ""}}
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps(request).encode() + b"\\n")
    for number in range(3):
        os.close(number)
    with server.makefile() as lines:
        command = int(lines.readline())
        for number in forwarded:
            signal.signal(number, lambda number, _: os.kill(command, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, forwarded)
        code = int(lines.readline())
os._exit(code if code >= 0 else 128 - code)
"""
"""The program `undercroft` for scripts. Its environment does not reach the interpreter that runs it."""


@cache
def get_program() -> Path:
    """A program `undercroft` that runs its commands as `run_command` does. It forwards SIGINT and SIGTERM to them."""
    address = get_fork_server()
    program = address.parent / "undercroft"
    program.write_text(PROGRAM.format(python=sys.executable, address=str(address)))
    program.chmod(0o755)
    return program


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
def get_fork_server() -> Path:
    """Start the process that has imported the application, which ends with this one. Returns its address."""
    folder = mkdtemp(prefix="undercroft-cli-")  # Unix sockets have short paths
    atexit.register(rmtree, folder)
    address = Path(folder) / "socket"
    with socket(AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.fork_server", str(listener.fileno())],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )
    atexit.register(server.communicate)
    return address


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return a minimal environment plus `more`. A command on a database of this run has the same modules."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    return {**inherited, **(SAME_MODULES if more.get("DATABASE_URL") else {}), **more}
