"""Builds the console of a checkout: from `console/` into the package, where the module `console` serves it."""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from filecmp import cmpfiles
from pathlib import Path

import msgspec

from undercroft.core.errors import ConfigurationError
from undercroft.scaffolding.client.node import find_node

SOURCES = Path("console")
CLIENT = Path("clients/typescript/src")
TOKENS = Path("src/undercroft/core/http/assets/tokens.css")
TARGET = Path("src/undercroft/modules/console/build")
GENERATED = frozenset({"node_modules", ".next", ".client", "out", "next-env.d.ts", "tsconfig.tsbuildinfo"})
OUTDATED = "The built console does not match its sources. Run: make console"


class Manifest(msgspec.Struct):
    """The part of the manifest that tells from which sources the console was built."""

    sources: str


def build_console() -> None:
    """Build the console and put it into the package. Raises `ConfigurationError` if a step fails."""
    _require_checkout()
    install_packages()
    _build(TARGET)


def check_console(*, thorough: bool) -> None:
    """Raise `ConfigurationError` if the console in the package was built from other sources.

    A thorough check also runs the types, the linter and the unit tests, and builds the console once more.
    """
    _require_checkout()
    manifest = TARGET / "manifest.json"
    if not manifest.exists() or msgspec.json.decode(manifest.read_bytes(), type=Manifest).sources != _digest():
        raise ConfigurationError(OUTDATED)
    if not thorough:
        return
    install_packages()
    _run(_npm("run", "check"))
    _run(_npm("test"))
    with tempfile.TemporaryDirectory(prefix="undercroft-console-") as folder:
        _build(Path(folder))
        names = [str(file.relative_to(folder)) for file in Path(folder).rglob("*") if file.is_file()]
        packed = [str(file.relative_to(TARGET)) for file in TARGET.rglob("*") if file.is_file()]
        _, differing, missing = cmpfiles(folder, TARGET, names, shallow=False)
        if differing or missing or set(names) != set(packed):
            raise ConfigurationError(f"{OUTDATED} ({', '.join(sorted({*differing, *missing})[:5])} …)")


def serve_console(api: str) -> int:
    """Run the development server of Next.js until it ends; requests that it does not know go to the API."""
    _require_checkout()
    install_packages()
    return subprocess.run(
        _npm("run", "dev"), cwd=SOURCES, env={**_environment(), "API_URL": api}, check=False
    ).returncode


def install_packages() -> None:
    """Install the packages of the lock file, unless they are installed."""
    installed, lock = SOURCES / "node_modules" / ".package-lock.json", SOURCES / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run(_npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"))
        installed.touch()


def _build(target: Path) -> None:
    _run(_npm("run", "build"))
    node, _ = find_node()
    _run([node, "scripts/pack.mjs", str(target.resolve()), _digest()])


def _digest() -> str:
    """Return a hash of everything from which the console is built."""
    digest = hashlib.sha256()
    for file in sorted(_list_sources()):
        digest.update(f"{file.as_posix()}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _list_sources() -> Iterator[Path]:
    yield TOKENS
    for root in (SOURCES, CLIENT):
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name not in GENERATED]
            yield from (Path(folder, name) for name in files if name not in GENERATED)


def _require_checkout() -> None:
    if not (SOURCES / "package.json").exists():
        raise ConfigurationError("The sources of the console are in a checkout of Undercroft. Run this there.")


def _npm(*arguments: str) -> list[str]:
    return [*find_node()[1], *arguments]


def _environment() -> dict[str, str]:
    node, _ = find_node()
    path = f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "NEXT_TELEMETRY_DISABLED": "1"}


def _run(command: Sequence[str]) -> None:
    """Run a command in the folder of the sources. Raises `ConfigurationError` with its output if it fails."""
    done = subprocess.run(command, cwd=SOURCES, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigurationError(f"{' '.join(command[1:])} failed:\n{(done.stdout + done.stderr).strip()}")
