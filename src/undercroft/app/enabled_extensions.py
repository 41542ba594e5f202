"""Changes the list ENABLED_EXTENSIONS of the project: in `.env`, or in `pyproject.toml` if only that has it."""

import json
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import PROJECT_FILE, CoreSettings, env_file, load, reset

NAME = "ENABLED_EXTENSIONS"
_ASSIGNMENT = re.compile(
    rf"^(?P<name>[ \t]*(?:export[ \t]+)?{NAME}[ \t]*=)[^\r\n]*?(?P<comment>[ \t]+#[^\r\n]*)?(?=\r?$)", re.MULTILINE
)
_PROJECT_ITEM = re.compile(r"^\[tool\.undercroft\][^\[]*?^enabled_extensions[ \t]*=[ \t]*(\[[^\]]*\])", re.MULTILINE)


def set_enabled(names: Sequence[str]) -> Path:
    """Write the list and use it in this process; returns the path of the file. Everything else in the file stays.

    Raises `ConfigurationError` if the environment has another value, which would take precedence.
    """
    if os.environ.get(NAME):
        raise ConfigurationError(
            f"{NAME} is set in the environment, which takes precedence over .env. Change it there: "
            f"{NAME}={_format(names)}"
        )
    path = env_file().resolve()
    text = _read(path)
    project = _read(PROJECT_FILE)
    if not _ASSIGNMENT.search(text) and (item := _PROJECT_ITEM.search(project)):
        path, text = (
            PROJECT_FILE.resolve(),
            f"{project[: item.start(1)]}{json.dumps(list(names))}{project[item.end(1) :]}",
        )
    else:
        text = _assign(text, names)
    _replace(path, text)
    reset()
    if load(CoreSettings).enabled_extensions != tuple(names):
        raise ConfigurationError(f"{path} sets {NAME} in an unusual way. Change it by hand.")
    return path


def _read(path: Path) -> str:
    return path.read_bytes().decode() if path.exists() else ""


def _assign(text: str, names: Sequence[str]) -> str:
    """Change the last assignment in an `.env` file, or append one."""
    found = list(_ASSIGNMENT.finditer(text))
    if not found:
        return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{NAME}={_format(names)}\n"
    last = found[-1]
    return f"{text[: last.start()]}{last['name']}{_format(names)}{last['comment'] or ''}{text[last.end() :]}"


def _format(names: Sequence[str]) -> str:
    """An empty variable would count as unset."""
    return ",".join(names) or "[]"


def _replace(path: Path, text: str) -> None:
    """Replace the file at once, with the permissions of the old one; a new one is readable by its owner only."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        new.chmod(mode)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
