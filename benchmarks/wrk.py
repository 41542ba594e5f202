"""Load with wrk and 16 connections."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.machine import BenchmarkError

CONNECTIONS = 16
SCRIPT = Path(__file__).parent / "load.lua"


@dataclass(frozen=True)
class Call:
    """A request that is sent repeatedly."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None


@dataclass(frozen=True)
class Round:
    """The result of one round; latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def require_wrk() -> None:
    """Raise `BenchmarkError` with the package to install if wrk is missing."""
    if shutil.which("wrk") is None:
        raise BenchmarkError(
            "wrk makes the load and is not installed: `apt install wrk` (Debian, Ubuntu), `dnf install wrk` (Fedora) "
            "or `brew install wrk` (macOS), then `make bench` again."
        )


def run(call: Call, seconds: float, connections: int = CONNECTIONS) -> Round:
    """Send the request for the given time and count. Raises `BenchmarkError` if a response is an error."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(SCRIPT)]
    done = subprocess.run([*command, call.url], env=_environment(call), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"wrk failed: {done.stderr or done.stdout}")
    seen = json.loads(done.stdout.rstrip().rsplit("\n", 1)[-1])
    if seen["refused"] or seen["failed"]:
        raise BenchmarkError(f"{call.method} {call.url}: {seen['refused']} refused, {seen['failed']} broken: {seen}")
    return Round(seen["requests"] / seen["microseconds"] * 1e6, seen["p50"] / 1000, seen["p99"] / 1000)


def _environment(call: Call) -> dict[str, str]:
    headers = "".join(f"{name}: {value}\n" for name, value in call.headers.items())
    environment = {"PATH": os.environ["PATH"], "LOAD_METHOD": call.method, "LOAD_HEADERS": headers}
    return environment | ({"LOAD_BODY": call.body} if call.body is not None else {})
