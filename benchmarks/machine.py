"""CPU affinity of processes: the server on one core; PostgreSQL, the load and this harness on the other."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx2 as httpx

SERVER_CORE = 0
OTHER_CORE = 1


class BenchmarkError(Exception):
    """A benchmark cannot run; the message contains the fix."""


@cache
def can_pin() -> bool:
    """Return whether CPU affinity can be set (Linux with at least two cores), before it is set the first time."""
    return hasattr(os, "sched_setaffinity") and {SERVER_CORE, OTHER_CORE} <= os.sched_getaffinity(0)


def pin_to_other_core() -> None:
    """Keep this process and its children (PostgreSQL and the load) off the server's core."""
    if can_pin():
        os.sched_setaffinity(0, {OTHER_CORE})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spawn(
    command: list[str], environment: Mapping[str, str], log: Path, core: int = SERVER_CORE
) -> subprocess.Popen[bytes]:
    """Start a process in a new process group on this core, with its output in a file."""
    pinned = ["taskset", "--cpu-list", str(core)] if can_pin() else []
    with log.open("ab") as output:
        return subprocess.Popen(
            [*pinned, *command],
            env={**inherited_environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def run_and_read_number(arguments: list[str], environment: Mapping[str, str]) -> float:
    """Run a Python program alone on the server's core and return the number that it prints last."""
    pinned = ["taskset", "--cpu-list", str(SERVER_CORE)] if can_pin() else []
    done = subprocess.run(
        [*pinned, PYTHON, *arguments],
        env={**inherited_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"`{' '.join(arguments)}` failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def inherited_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def stop(process: subprocess.Popen[bytes], seconds: float = 10) -> None:
    """Terminate the process; kill its group if it does not end in time."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(frozen=True)
class StartedServer:
    """A running server: its process group and the seconds until its first healthy response."""

    group: int
    seconds: float


@contextmanager
def run_server(command: list[str], environment: Mapping[str, str], url: str, log: Path) -> Iterator[StartedServer]:
    """Run a server on its own core for the duration of the block."""
    started = time.perf_counter()
    process = spawn(command, environment, log)
    try:
        yield StartedServer(process.pid, _wait_healthy(process, url, started, log))
    finally:
        stop(process)


def _wait_healthy(process: subprocess.Popen[bytes], url: str, started: float, log: Path, limit: float = 30) -> float:
    with httpx.Client(timeout=2, trust_env=False) as client:
        while time.perf_counter() - started < limit:
            if process.poll() is not None:
                break
            try:
                if client.get(url).status_code == 200:
                    return time.perf_counter() - started
            except httpx.TransportError:
                time.sleep(0.005)
    said = log.read_text(errors="replace")[-3000:] if log.exists() else ""
    raise BenchmarkError(f"The server at {url} did not become healthy. It said:\n{said}")


def worker_memory(group_leader: int) -> float:
    """Return the resident megabytes of the largest process of this group, which is the worker."""
    listing = subprocess.run(["ps", "-e", "-o", "pgid=,rss="], capture_output=True, text=True, check=True).stdout
    sizes = [int(rss) for pgid, rss in (line.split() for line in listing.splitlines()) if int(pgid) == group_leader]
    return max(sizes, default=0) / 1024


def describe() -> str:
    """Describe the machine in one line."""
    import platform

    model = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    return f"{os.cpu_count()} cores ({model}), {platform.system()}, CPython {platform.python_version()}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


PYTHON = sys.executable
