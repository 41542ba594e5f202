"""Runs a development stack in a temporary folder; its processes are found by a marker in their environment."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from undercroft.devstack import data_dirs
from undercroft.devstack.machine import free_port

MARK = "UNDERCROFT_TEST_MARK"
_EXCLUDED_VARIABLES = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENVIRONMENT", "PORT", "DEMO_PASSWORD", "PUBLIC_URL"}
_EXCLUDED_VARIABLES |= {"PYTHONDONTWRITEBYTECODE"}
MAKEFILE = """
dev:
	@"{python}" -m undercroft.cli dev --port {port} --no-reload
"""


@dataclass(frozen=True)
class FoundProcess:
    pid: int
    command: str

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):  # it may have ended since it was found
            os.kill(self.pid, number)


class Stack:
    """A development stack in a folder. `start` may be called again after all processes have ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.mark = secrets.token_hex(8)
        self.leader: subprocess.Popen[bytes] | None = None
        (folder / "Makefile").write_text(MAKEFILE.format(python=sys.executable, port=self.port))

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in _EXCLUDED_VARIABLES}
        return {**inherited, MARK: self.mark, "PYTHONPYCACHEPREFIX": str(self.folder.parent / "compiled")}

    @property
    def output(self) -> str:
        return (self.folder / "output.log").read_text(errors="replace")

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / ".undercroft" / "dev.json").read_text()))

    def start(self, *, wait: bool = True, under: tuple[str, ...] = ()) -> None:
        """Run `make dev` in its own process group, as a terminal does. `under` is a command that runs make."""
        with (self.folder / "output.log").open("wb") as output:
            self.leader = subprocess.Popen(
                [*under, "make", "dev"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if wait:
            self.wait_healthy()

    def undercroft(self, *arguments: str, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "undercroft.cli", *arguments],
            cwd=cwd or self.folder,
            env=self.environment | extra,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def get(self, path: str) -> int:
        """Return the status of the response, or 0 if there is none."""
        return self.post(path, None)

    def post(self, path: str, body: object) -> int:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Host": f"127.0.0.1:{self.port}"}
        try:
            with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", data, headers), timeout=15) as response:
                return int(response.status)
        except URLError as error:
            return int(getattr(error, "code", 0))
        except OSError:
            return 0

    def can_sign_in(self) -> bool:
        """Return whether the demo user can sign in, which requires the API server and its data."""
        password = self.state["demo_password"]
        return self.post("/api/v1/auth/login", {"email": "demo@example.com", "password": password}) == 200

    def wait_healthy(self, limit: float = 90) -> None:
        def healthy_or_ended() -> bool:
            assert self.leader is not None
            assert self.leader.poll() is None, self.output
            return "Undercroft is running" in self.output and "worker.started" in self.output

        wait_until(healthy_or_ended, limit, lambda: self.output)

    def find(self, words: str) -> list[FoundProcess]:
        return [found for found in self.processes() if words in found.command]

    def processes(self) -> list[FoundProcess]:
        """Return all running processes with the marker."""
        return [found for entry in Path("/proc").iterdir() if entry.name.isdigit() and (found := self._read(entry))]

    def interrupt(self) -> int:
        """Send SIGINT to the process group, as Ctrl-C does, and return the exit code of the launcher."""
        assert self.leader is not None
        os.killpg(self.leader.pid, signal.SIGINT)
        return self.leader.wait(20)

    def wait_until_gone(self, limit: float = 10) -> None:
        wait_until(lambda: not self.processes(), limit, lambda: f"left: {self.processes()}\n{self.output}")
        if self.leader is not None:
            self.leader.wait(5)

    def remove(self) -> None:
        """Kill remaining processes and delete data outside the folder."""
        self.kill_all()
        for name in ("postgres", "valkey"):
            data_dirs.delete_data_dir(self.folder / ".undercroft", name)

    def kill_all(self) -> None:
        for found in self.processes():
            found.kill()
        if self.leader is not None:
            self.leader.wait(5)

    def _read(self, entry: Path) -> FoundProcess | None:
        try:
            if f"{MARK}={self.mark}".encode() not in (entry / "environ").read_bytes().split(b"\0"):
                return None
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return None
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            return None
        return FoundProcess(int(entry.name), command)


def wait_until(condition: Callable[[], bool], limit: float = 15, details: Callable[[], str] = str) -> None:
    """Wait until the condition is true. Fails with `details` after `limit` seconds."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"not within {limit} s: {details()}"
        time.sleep(0.05)
