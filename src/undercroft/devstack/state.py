"""The persistent state of a development stack: `.undercroft/dev.json`, readable only by its owner."""

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import machine
from undercroft.devstack.roles import Roles


def _password() -> str:
    return secrets.token_urlsafe(18)


def _demo_password() -> str:
    """Return a random password that is easy to type."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


_RECOVERY_HINT = "Restore it from a backup, or delete all development data with `undercroft db reset`."


ERROR_FILE = "errors.jsonl"
"""The last errors of the programs, in the state folder."""

EMBEDDED = "embedded"
"""The entry of the embedded database in `DevState.seeded`."""


@dataclass
class DevState:
    """Secrets, ports, the last URL and extensions, and the fingerprints of the databases that have demo data."""

    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    demo_password: str = field(default_factory=_demo_password)
    postgres_port: int = 0
    postgres_password: str = field(default_factory=_password)
    owner_password: str = field(default_factory=_password)
    app_password: str = field(default_factory=_password)
    admin_password: str = field(default_factory=_password)
    roles_made: bool = False
    valkey_port: int = 0
    valkey_password: str = field(default_factory=_password)
    oidc_port: int = 0
    url: str = ""
    enabled_extensions: str = ""
    disabled_modules: str = ""
    seeded: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the state, or return a new one if there is none. Raises `ConfigurationError` if the file is corrupt."""
        path = folder / "dev.json"
        try:
            return cls._from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()
        except (ValueError, AttributeError, TypeError):
            raise ConfigurationError(f"{path} is corrupt. {_RECOVERY_HINT}") from None

    @classmethod
    def _from_json(cls, stored: dict[str, Any]) -> Self:
        """Build the state. Raises `ValueError` if a value has the wrong type or `roles_made` is missing."""
        defaults = asdict(cls())
        known = {name: value for name, value in stored.items() if name in defaults}
        if "roles_made" not in known or any(type(value) is not type(defaults[name]) for name, value in known.items()):
            raise ValueError
        return cls(**known)

    @classmethod
    def read_for_start(cls, folder: Path) -> Self:
        """Read the state before a start. Also raises `ConfigurationError` if there are data but no stored passwords."""
        if (folder / "postgres" / "PG_VERSION").exists() and not (folder / "dev.json").exists():
            raise ConfigurationError(
                f"{folder / 'dev.json'} is missing. It contains the passwords of the database. {_RECOVERY_HINT}"
            )
        return cls.read(folder)

    def write(self, folder: Path) -> None:
        """Write the state atomically: to a temporary file, which is then renamed."""
        half = folder / "dev.json.half"
        half.unlink(missing_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
        half.replace(folder / "dev.json")

    @property
    def roles(self) -> Roles:
        return Roles(self.owner_password, self.app_password, self.admin_password)

    def forget_database(self) -> None:
        """Reset what is known about the embedded database, because it is new or its folder was deleted."""
        self.roles_made = False
        self.seeded = [mark for mark in self.seeded if mark != EMBEDDED]

    def choose_ports(self) -> None:
        """Reuse the previous ports unless another program uses them now."""
        for name in ("postgres_port", "valkey_port", "oidc_port"):
            port = getattr(self, name)
            if not port or not machine.is_port_free(port):
                setattr(self, name, machine.free_port())


def prepare(folder: Path) -> None:
    """Create the state folder, ignored by Git. Raises `ConfigurationError` if the project is not writable."""
    project = folder.absolute().parent
    try:
        if not os.access(project, os.W_OK):
            raise PermissionError(13, "Permission denied")
        folder.mkdir(mode=0o700 if machine.get_server_user() is None else 0o711, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot write to {project} ({error.strerror}), where the development data are stored. "
            "Change its permissions or use another copy of the project."
        ) from None


@contextmanager
def exclusive_lock(folder: Path, timeout: float = 2) -> Iterator[None]:
    """Lock the folder for one supervisor. Waits up to `timeout` seconds for a supervisor that is stopping.

    Raises `ConfigurationError` if another supervisor keeps running.
    """
    limit = time.monotonic() + timeout
    while True:
        with machine.file_lock(folder / "dev.lock") as locked:
            if locked:
                yield
                return
        if time.monotonic() > limit:
            raise ConfigurationError(
                f"`undercroft dev` is already running in {folder.absolute().parent}. "
                "Stop it (Ctrl-C in its terminal), or use another copy of the project."
            )
        time.sleep(0.1)


def is_running(folder: Path) -> bool:
    """Return whether a supervisor is running in this folder."""
    if not (folder / "dev.lock").exists():
        return False
    with machine.file_lock(folder / "dev.lock") as free:
        return not free
