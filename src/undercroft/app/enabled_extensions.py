"""Changes the list ENABLED_EXTENSIONS in the project's `.env`."""

import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, env_file, load, reset

NAME = "ENABLED_EXTENSIONS"
_ASSIGNMENT = re.compile(
    rf"^(?P<name>[ \t]*(?:export[ \t]+)?{NAME}[ \t]*=)[^\r\n]*?(?P<comment>[ \t]+#[^\r\n]*)?(?=\r?$)", re.MULTILINE
)


def set_enabled(names: Sequence[str]) -> Path:
    """Write the list to `.env` and use it in this process; returns the path. Everything else in the file stays.

    Raises `ConfigurationError` if the environment has another value, which would take precedence.
    """
    if os.environ.get(NAME):
        raise ConfigurationError(
            f"{NAME} is set in the environment, which takes precedence over .env. Change it there: "
            f"{NAME}={_format(names)}"
        )
    path = env_file().resolve()
    text = path.read_bytes().decode() if path.exists() else ""
    found = list(_ASSIGNMENT.finditer(text))
    if found:
        last = found[-1]
        line = f"{last['name']}{_format(names)}{last['comment'] or ''}"
        text = f"{text[: last.start()]}{line}{text[last.end() :]}"
    else:
        text += f"{'' if not text or text.endswith(chr(10)) else chr(10)}{NAME}={_format(names)}\n"
    _replace(path, text)
    reset()
    if load(CoreSettings).enabled_extensions != tuple(names):
        raise ConfigurationError(f"{path} sets {NAME} in an unusual way. Change it by hand.")
    return path


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
