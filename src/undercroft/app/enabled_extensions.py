"""Changes the list ENABLED_EXTENSIONS of the project: in `.env`, or in `pyproject.toml` if only that has it."""

import json
import os
import re
import secrets
import tomllib
from collections.abc import Sequence
from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import PROJECT_FILE, CoreSettings, env_file, load, reset

NAME = "ENABLED_EXTENSIONS"
_ASSIGNMENT = re.compile(
    rf"^(?P<name>[ \t]*(?:export[ \t]+)?{NAME}[ \t]*=)[^\r\n]*?(?P<comment>[ \t]+#[^\r\n]*)?(?=\r?$)", re.MULTILINE
)
PROJECT_TABLE, PROJECT_KEY = "[tool.undercroft]", "enabled_extensions"
_PROJECT_TABLE = re.compile(rf"^{re.escape(PROJECT_TABLE)}[^\n]*\n(?P<items>(?:(?!\[)[^\n]*(?:\n|\Z))*)", re.MULTILINE)
_PROJECT_ITEM = re.compile(rf"^({PROJECT_KEY}[ \t]*=[ \t]*)\[[^\]#]*\]", re.MULTILINE)


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
    if not _ASSIGNMENT.search(text) and _parse_project(_read(PROJECT_FILE)) is not None:
        path = PROJECT_FILE.resolve()
        if not write_project_list(names):
            raise ConfigurationError(f"Set {PROJECT_KEY} = {json.dumps(list(names))} in {PROJECT_TABLE} of {path}.")
    else:
        _replace(path, _assign(text, names))
    reset()
    if load(CoreSettings).enabled_extensions != tuple(names):
        raise ConfigurationError(f"{path} sets {NAME} in an unusual way. Change it by hand.")
    return path


def write_project_list(names: Sequence[str]) -> bool:
    """Write the list to `pyproject.toml`. Returns False if the file has it in a form that only a person can change."""
    changed = _assign_in_project(_read(PROJECT_FILE), json.dumps(list(names)))
    if _parse_project(changed) != list(names):
        return False
    _replace(PROJECT_FILE.resolve(), changed)
    return True


def _parse_project(text: str) -> object:
    """Return the value in `pyproject.toml`; None if there is none, or if the file is invalid."""
    try:
        return tomllib.loads(text)["tool"]["undercroft"][PROJECT_KEY]
    except (ValueError, KeyError, TypeError):
        return None


def _assign_in_project(text: str, value: str) -> str:
    """Change the item, or add it. A result with the item twice is invalid, which the caller finds."""
    table = _PROJECT_TABLE.search(text)
    if table is None:
        return f"{text.rstrip()}\n\n{PROJECT_TABLE}\n{PROJECT_KEY} = {value}\n"
    start, items = table.start("items"), table["items"]
    changed, found = _PROJECT_ITEM.subn(lambda item: f"{item[1]}{value}", items)
    return f"{text[:start]}{changed if found else f'{PROJECT_KEY} = {value}{chr(10)}{items}'}{text[table.end() :]}"


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
