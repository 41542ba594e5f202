"""Scenario 20: twenty extensions are enabled. A request costs the same, and each adds little to the start."""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.error import URLError
from urllib.request import Request, urlopen

from msgspec import Struct, json

from acceptance.report import ScenarioReport
from acceptance.stack import free_port
from undercroft.devstack.postgres import temporary_database

EXTENSIONS = 20
NAMES = [f"ext_{letter}" for letter in "abcdefghijklmnopqrst"]
STARTS = 5
ROUNDS, REQUESTS = 30, 100
MAX_START_MS, MAX_DIFFERENCE = 15, 0.03
PASSWORD = "three otters in a boat"
DEVELOPMENT = {"ENVIRONMENT": "development", "DEMO_PASSWORD": PASSWORD, "RATE_LIMIT_SCALE": "1000"}
PRODUCTION = {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://shop.example.com",
    "ALLOWED_HOSTS": "127.0.0.1",
    "EMAIL_PROVIDER": "smtp",
    "SMTP_HOST": "127.0.0.1",
    "EMAIL_FROM": "shop@example.com",
}


class Server:
    """An API server of the project, with the seconds of CPU time that its start took."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process, self.url = process, f"http://127.0.0.1:{port}"
        wait_healthy(self.url, process)
        self.start_seconds = self._cpu_seconds()
        self.headers: dict[str, str] = {}

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def megabytes(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def sign_in(self) -> None:
        body = json.encode({"email": "demo@example.com", "password": PASSWORD})
        request = Request(f"{self.url}/api/v1/auth/login", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as response:
            self.headers = {"Authorization": f"Bearer {json.decode(response.read())['access_token']}"}

    def read_me(self) -> float:
        """Return the seconds per request, over `REQUESTS` requests."""
        before = time.perf_counter()
        for _ in range(REQUESTS):
            with urlopen(Request(f"{self.url}/api/v1/app/users/me", headers=self.headers), timeout=30) as response:
                response.read()
        return (time.perf_counter() - before) / REQUESTS


async def run_scenario(report: ScenarioReport) -> None:
    await asyncio.to_thread(_run, report)


def _run(report: ScenarioReport) -> None:
    folder = Path(tempfile.mkdtemp(prefix="undercroft-acceptance-"))
    try:
        project = _create_project(folder)
        with temporary_database() as url:
            common = _environment(url)
            environment = common | DEVELOPMENT
            _undercroft_in(project, environment, "migrate", "upgrade")
            production = _measure_start(project, common | PRODUCTION)
            report.check(production.each_ms <= MAX_START_MS, "an extension adds at most 15 ms to the start", production)
            _undercroft_in(project, environment, "seed")
            report.note(f"in development, which checks every route: {_measure_start(project, environment)}")
            _measure_requests(project, environment, report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _undercroft_in(project: Path, environment: Mapping[str, str], *words: str) -> None:
    subprocess.run(_undercroft(*words), cwd=project, env=environment, check=True, capture_output=True)


def _create_project(folder: Path) -> Path:
    project, environment = folder / "shop", _environment("") | DEVELOPMENT
    subprocess.run(_undercroft("new", str(project)), env=environment, check=True, capture_output=True)
    for name in NAMES:
        command = _undercroft("new-extension", name, "--entity", f"thing_{name[-1]}")
        subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    return project


def _undercroft(*words: str) -> list[str]:
    return [sys.executable, "-m", "undercroft.cli", *words]


def _environment(url: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | {"DATABASE_URL": url, "SECRET_KEY": secrets.token_urlsafe(32)}


@contextmanager
def _serve(project: Path, environment: Mapping[str, str], enabled: str) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(
        _undercroft("serve", "--port", str(port)),
        cwd=project,
        env={**environment, "ENABLED_EXTENSIONS": enabled},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(30)


def wait_healthy(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server exited with {process.returncode}")
        try:
            with urlopen(f"{url}/health", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.02)
    raise TimeoutError("the server does not respond")


class StartTimes(Struct):
    """The shortest CPU times of a start, in seconds."""

    without: float
    with_all: float

    @property
    def each_ms(self) -> float:
        """Milliseconds that each extension adds."""
        return (self.with_all - self.without) / EXTENSIONS * 1000

    def __str__(self) -> str:
        return f"{self.each_ms:.1f} ms ({self.without:.2f} s without, {self.with_all:.2f} s with {EXTENSIONS})"


def _measure_start(project: Path, environment: Mapping[str, str]) -> StartTimes:
    """Measure the CPU time of starts, alternating, so that other programs on the machine matter little."""
    seconds: dict[str, list[float]] = {"[]": [], ",".join(NAMES): []}
    for _ in range(STARTS):
        for enabled, found in seconds.items():
            with _serve(project, environment, enabled) as server:
                found.append(server.start_seconds)
    return StartTimes(*(min(found) for found in seconds.values()))


def _measure_requests(project: Path, environment: Mapping[str, str], report: ScenarioReport) -> None:
    with _serve(project, environment, "[]") as none, _serve(project, environment, ",".join(NAMES)) as all_:
        for server in (none, all_):
            server.sign_in()
            server.read_me()
        pairs = [(none.read_me(), all_.read_me()) for _ in range(ROUNDS)]
        ratio = median(second / first for first, second in pairs)
        fastest = [min(times) * 1000 for times in zip(*pairs, strict=True)]
        seen = f"{(ratio - 1) * 100:+.1f}% (fastest {fastest[0]:.2f} and {fastest[1]:.2f} ms)"
        report.check(ratio - 1 <= MAX_DIFFERENCE, "reading `me` takes at most 3% longer with them", seen)
        report.note(f"memory: {none.megabytes:.0f} MB without, {all_.megabytes:.0f} MB with {EXTENSIONS}")
