"""A whole installation: a clone in a folder of its own and what `make dev` starts there."""

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

import httpx

from acceptance.processes import MARK, Process, list_processes

REPOSITORY = Path(__file__).parents[1]
PROBE = Path(__file__).parent / "probe"
EXCLUDED_VARIABLES = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "ENVIRONMENT", "SECRET_KEY", "VIRTUAL_ENV")


class Stack:
    """`start` runs `make dev` (or another command) and `stop` is Ctrl-C; `processes` is everything it became."""

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
        """What `undercroft dev` remembers between starts, secrets included."""
        return dict(json.loads((self.folder / ".undercroft" / "dev.json").read_text()))

    @property
    def demo_password(self) -> str:
        return str(self.state["demo_password"])

    @property
    def processes(self) -> list[Process]:
        return list_processes(self.mark)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in EXCLUDED_VARIABLES}
        return kept | {MARK: self.mark} | dict(extra or {})

    def start(self, *command: str, **extra: str) -> None:
        """Start in a process group of its own, like a terminal would."""
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
        """Run a command in the clone to its end."""
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
        """Seconds until `/health` answers. Raises `TimeoutError` with what was said when it does not."""
        started = time.monotonic()
        async with self.client() as http:
            while time.monotonic() - started < seconds:
                try:
                    if (await http.get("/health")).status_code == 200:
                        return time.monotonic() - started
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
        raise TimeoutError(f"not healthy within {seconds:.0f} s. It said:\n{self.output[-3000:]}")

    async def wait_gone(self, seconds: float) -> tuple[float, list[Process]]:
        """Seconds until nothing of it is left, and what is left after so many."""
        started = time.monotonic()
        while (left := self.processes) and time.monotonic() - started < seconds:
            await asyncio.sleep(0.1)
            self.reap()
        return time.monotonic() - started, left

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to the whole foreground group."""
        if self.leader is not None and self.leader.poll() is None:
            os.killpg(self.leader.pid, signal.SIGINT)

    def reap(self) -> None:
        if self.leader is not None:
            self.leader.poll()

    async def stop(self) -> None:
        """Ctrl-C, and the hard way for what is left after 15 s."""
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
    """The committed state of this repository in a folder of its own."""
    folder = into / "clone"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    return folder


@asynccontextmanager
async def cloned_stack() -> AsyncIterator[Stack]:
    """A stack that was never started; stopped and removed at the end."""
    into = Path(tempfile.mkdtemp(prefix="undercroft-acceptance-"))
    stack = Stack(clone(into))
    try:
        yield stack
    finally:
        await stack.stop()
        if (stack.folder / ".venv" / "bin" / "undercroft").exists():
            stack.undercroft("db", "reset", "--yes")  # as root, the data may lie outside of the clone
        shutil.rmtree(into, ignore_errors=True)


@asynccontextmanager
async def running_stack() -> AsyncIterator[Stack]:
    """A stack that answers, with the probe module added to it as any new module would be."""
    async with cloned_stack() as stack:
        shutil.copytree(PROBE, stack.folder / "src" / "undercroft" / "modules" / "probe")
        stack.start()
        await stack.wait_healthy(120)
        yield stack
