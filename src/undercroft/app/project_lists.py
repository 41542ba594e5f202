"""Changes the lists ENABLED_EXTENSIONS and DISABLED_MODULES of the project.

They are in `.env`, or in `pyproject.toml` if only that has them.
"""

import json
import os
import re
import secrets
import tomllib
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import PROJECT_FILE, CoreSettings, env_file, load, reset

PROJECT_TABLE = "[tool.undercroft]"
_PROJECT_TABLE = re.compile(rf"^{re.escape(PROJECT_TABLE)}[^\n]*\n(?P<items>(?:(?!\[)[^\n]*(?:\n|\Z))*)", re.MULTILINE)


class ProjectList(Struct, frozen=True):
    """A setting that is a list of names, by its key in `pyproject.toml`."""

    key: str

    @property
    def variable(self) -> str:
        """Its name in `.env` and the environment."""
        return self.key.upper()

    @property
    def names(self) -> tuple[str, ...]:
        """The value in force."""
        return tuple(getattr(load(CoreSettings), self.key))

    def write(self, names: Sequence[str]) -> Path:
        """Write the list and use it in this process; returns the path of the file. Everything else in the file stays.

        Raises `ConfigurationError` if the environment has another value, which would take precedence.
        """
        if os.environ.get(self.variable):
            raise ConfigurationError(
                f"{self.variable} is set in the environment, which takes precedence over .env. Change it there: "
                f"{self.variable}={_format(names)}"
            )
        path = env_file().resolve()
        text = _read(path)
        if not self._assignment.search(text) and self._parse_project(_read(PROJECT_FILE)) is not None:
            path = PROJECT_FILE.resolve()
            if not self.write_to_project(names):
                raise ConfigurationError(f"Set {self.key} = {json.dumps(list(names))} in {PROJECT_TABLE} of {path}.")
        else:
            _replace(path, self._assign(text, names))
        reset()
        if self.names != tuple(names):
            raise ConfigurationError(f"{path} sets {self.variable} in an unusual way. Change it by hand.")
        return path

    def write_to_project(self, names: Sequence[str]) -> bool:
        """Write the list to `pyproject.toml`. Returns False if only a person can change its form in the file."""
        changed = self._assign_in_project(_read(PROJECT_FILE), json.dumps(list(names)))
        if self._parse_project(changed) != list(names):
            return False
        _replace(PROJECT_FILE.resolve(), changed)
        return True

    @property
    def _assignment(self) -> re.Pattern[str]:
        name = rf"(?P<name>[ \t]*(?:export[ \t]+)?{self.variable}[ \t]*=)"
        return re.compile(rf"^{name}[^\r\n]*?(?P<comment>[ \t]+#[^\r\n]*)?(?=\r?$)", re.MULTILINE)

    def _parse_project(self, text: str) -> object:
        """Return the value in `pyproject.toml`; None if there is none, or if the file is invalid."""
        try:
            return tomllib.loads(text)["tool"]["undercroft"][self.key]
        except (ValueError, KeyError, TypeError):
            return None

    def _assign_in_project(self, text: str, value: str) -> str:
        """Change the item, or add it. A result with the item twice is invalid, which the caller finds."""
        table = _PROJECT_TABLE.search(text)
        if table is None:
            return f"{text.rstrip()}\n\n{PROJECT_TABLE}\n{self.key} = {value}\n"
        item = re.compile(rf"^({self.key}[ \t]*=[ \t]*)\[[^\]#]*\]", re.MULTILINE)
        start, items = table.start("items"), table["items"]
        changed, found = item.subn(lambda item: f"{item[1]}{value}", items)
        return f"{text[:start]}{changed if found else f'{self.key} = {value}{chr(10)}{items}'}{text[table.end() :]}"

    def _assign(self, text: str, names: Sequence[str]) -> str:
        """Change the last assignment in an `.env` file, or append one."""
        found = list(self._assignment.finditer(text))
        if not found:
            new_line = "" if text.endswith("\n") or not text else "\n"
            return f"{text}{new_line}{self.variable}={_format(names)}\n"
        last = found[-1]
        return f"{text[: last.start()]}{last['name']}{_format(names)}{last['comment'] or ''}{text[last.end() :]}"


ENABLED_EXTENSIONS = ProjectList("enabled_extensions")
DISABLED_MODULES = ProjectList("disabled_modules")


def _read(path: Path) -> str:
    return path.read_bytes().decode() if path.exists() else ""


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
