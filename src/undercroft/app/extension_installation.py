"""Installs the package of an extension with uv, and enables it. After an error, the project is as before."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from undercroft.core.errors import ConfigurationError
from undercroft.core.modules import ENTRY_POINTS
from undercroft.core.settings import PROJECT_FILE

LOCK_FILE = Path("uv.lock")
_LIST = f"""
import json, sys
from importlib.metadata import distributions, entry_points
installed = [each.name for each in distributions()]
extensions = [[entry.name, entry.dist.name] for entry in entry_points(group={ENTRY_POINTS!r}) if entry.dist]
print(json.dumps({{"installed": installed, "extensions": extensions, "python": sys.executable}}))
"""


def install_extension(source: str) -> list[str]:
    """Add a package to the project and enable its extensions; returns their names.

    `source` is what `uv add` takes: a requirement, a path or a Git URL. Raises `ConfigurationError` if uv cannot
    install it, if it contains no extension, or if the extension cannot be enabled.
    """
    if not PROJECT_FILE.is_file():
        raise ConfigurationError(f"There is no {PROJECT_FILE} here. Run it in the folder of a project.")
    uv = _find_uv()
    before = _list_packages(uv)
    with _undo_after_error(uv, before):
        _run(uv, "add", "--", source)
        names = _find_new(source, before, _list_packages(uv))
        for name in names:
            _run_python(uv, "-m", "undercroft.cli", "extension", "enable", name)
    return names


def _list_packages(uv: str) -> dict[str, Any]:
    return dict(json.loads(_run_python(uv, "-c", _LIST)))


def _find_new(source: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the extensions that the installation has added."""
    known = {name for name, _ in before["extensions"]}
    names = [name for name, _ in after["extensions"] if name not in known]
    if names:
        return names
    if set(after["installed"]) == set(before["installed"]):
        installed = ", ".join(name for name, _ in after["extensions"]) or "none"
        raise ConfigurationError(
            f"{source} is installed already. Extensions in this environment: {installed}. To enable one: "
            "`undercroft extension enable NAME`."
        )
    raise ConfigurationError(
        f"{source} is not an extension of Undercroft: it has no entry point in the group {ENTRY_POINTS}. It was "
        "uninstalled again."
    )


@contextmanager
def _undo_after_error(uv: str, before: Mapping[str, Any]) -> Iterator[None]:
    """Restore the project's files and uninstall new packages if the block raises an error or is interrupted."""
    files = {path: path.read_bytes() if path.exists() else None for path in (PROJECT_FILE, LOCK_FILE, Path(".env"))}
    try:
        yield
    except BaseException:
        for path, content in files.items():
            path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        if new := sorted({*_list_packages(uv)["installed"]}.difference(before["installed"])):
            _run(uv, "pip", "uninstall", "--quiet", "--python", before["python"], *new)
        raise


def _find_uv() -> str:
    """Return the path of uv: that which runs this command, the one on the path, or that of the project's Makefile."""
    found = os.environ.get("UV") or shutil.which("uv") or (".uv/bin/uv" if Path(".uv/bin/uv").exists() else "")
    if not found:
        raise ConfigurationError("uv is not installed. Install it, or add the package to the project in another way.")
    return found


def _run_python(uv: str, *words: str) -> str:
    return _run(uv, "run", "--no-sync", "python", *words)


def _run(uv: str, *words: str) -> str:
    """Run uv for the project in the working directory. Raises `ConfigurationError` with the end of its output."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run([uv, *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ConfigurationError(_shorten((done.stderr or done.stdout).splitlines()) or f"uv {words[0]} failed.")
    return done.stdout


def _shorten(lines: Sequence[str], limit: int = 12) -> str:
    text = "\n".join(line for line in lines if line.strip())
    return "\n".join(re.sub(r"^(Error|error): ", "", text).splitlines()[-limit:])
