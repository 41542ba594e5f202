"""A complete installation: a clone of the repository and the stack that `make dev` starts in it."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx

from acceptance.processes import MARK, Process, list_processes

REPOSITORY = Path(__file__).parents[1]
PROBE = Path(__file__).parent / "probe"
EXCLUDED_VARIABLES = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "ENVIRONMENT", "SECRET_KEY", "VIRTUAL_ENV")


class Stack:
    """A development stack. `start` runs `make dev` or another command, `stop` sends SIGINT as Ctrl-C does."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.mark = secrets.token_hex(8)
        self.leader: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder.parent / "dev.log"

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def state(self) -> dict[str, Any]:
        """The stored state of `undercroft dev`, including secrets."""
        return dict(json.loads((self.folder / ".undercroft" / "dev.json").read_text()))

    @property
    def demo_password(self) -> str:
        return str(self.state["demo_password"])

    @property
    def processes(self) -> list[Process]:
        return list_processes(self.mark)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in EXCLUDED_VARIABLES}
        return inherited | {MARK: self.mark} | dict(extra or {})

    def start(self, *command: str, **extra: str) -> None:
        """Start the command in its own process group, as a terminal does."""
        with self.log.open("wb") as output:
            self.leader = subprocess.Popen(
                command or ("make", "dev", f"PORT={self.port}"),
                cwd=self.folder,
                env=self.environment(extra),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *command: str, timeout: float = 120, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone and wait for it."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def undercroft(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.folder / ".venv" / "bin" / "undercroft"), *arguments, **options)

    async def wait_healthy(self, seconds: float) -> float:
        """Return the seconds until `/health` responds. Raises `TimeoutError` with the output."""
        started = time.monotonic()
        async with self.client() as http:
            while time.monotonic() - started < seconds:
                try:
                    if (await http.get("/health")).status_code == 200:
                        return time.monotonic() - started
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
        raise TimeoutError(f"not healthy within {seconds:.0f} s. Output:\n{self.output[-3000:]}")

    async def wait_gone(self, seconds: float) -> tuple[float, list[Process]]:
        """Wait until all processes have ended. Returns the seconds and the processes that are left at the timeout."""
        started = time.monotonic()
        while (left := self.processes) and time.monotonic() - started < seconds:
            await asyncio.sleep(0.1)
            self.reap()
        return time.monotonic() - started, left

    def interrupt(self) -> None:
        """Send SIGINT to the process group, as Ctrl-C does."""
        if self.leader is not None and self.leader.poll() is None:
            os.killpg(self.leader.pid, signal.SIGINT)

    def reap(self) -> None:
        if self.leader is not None:
            self.leader.poll()

    async def stop(self) -> None:
        """Send SIGINT, and kill the processes that are left after 15 s."""
        self.interrupt()
        _, left = await self.wait_gone(15)
        for process in left:
            process.kill()
        self.reap()

    def client(self, **options: Any) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        return httpx.AsyncClient(base_url=self.url, timeout=30, trust_env=False, limits=limits, **options)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clone(into: Path) -> Path:
    """Clone the committed state of this repository."""
    folder = into / "clone"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    return folder


@asynccontextmanager
async def cloned_stack() -> AsyncIterator[Stack]:
    """Yield a stack that has not been started. It is stopped and removed at the end."""
    into = Path(tempfile.mkdtemp(prefix="undercroft-acceptance-"))
    stack = Stack(clone(into))
    try:
        yield stack
    finally:
        await stack.stop()
        if (stack.folder / ".venv" / "bin" / "undercroft").exists():
            stack.undercroft("db", "reset", "--yes")  # as root, the data may be outside the clone
        shutil.rmtree(into, ignore_errors=True)


@asynccontextmanager
async def running_stack(**settings: str) -> AsyncIterator[Stack]:
    """Yield a running stack, with these environment variables and with the probe module added to it."""
    async with cloned_stack() as stack:
        shutil.copytree(PROBE, stack.folder / "src" / "undercroft" / "modules" / "probe")
        stack.start(**settings)
        await stack.wait_healthy(120)
        yield stack
