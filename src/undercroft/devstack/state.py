"""What one project's development stack remembers between starts: `.undercroft/dev.json`, readable by its owner only."""

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
    """Easy to type, still nothing that anybody guesses."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


_RECOVERY_HINT = "Put it back from a copy, or delete all development data with `undercroft db reset` and start anew."


EMBEDDED = "embedded"
"""The mark of the embedded database among those that have had their demo data."""


@dataclass
class DevState:
    """Secrets, ports, where it was served last, and which databases have had their demo data."""

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
    seeded: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What is remembered, or everything anew. Raises `ConfigurationError` when the file is damaged."""
        path = folder / "dev.json"
        try:
            return cls._from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()
        except (ValueError, AttributeError, TypeError):
            raise ConfigurationError(f"{path} is damaged. {_RECOVERY_HINT}") from None

    @classmethod
    def _from_json(cls, kept: dict[str, Any]) -> Self:
        """Raises `ValueError` where a value cannot be ours, or what decides over the data beside it is missing."""
        anew = asdict(cls())
        known = {name: value for name, value in kept.items() if name in anew}
        if "roles_made" not in known or any(type(value) is not type(anew[name]) for name, value in known.items()):
            raise ValueError
        return cls(**known)

    @classmethod
    def read_for_start(cls, folder: Path) -> Self:
        """The same for a start. Raises `ConfigurationError` too when there are data whose passwords are lost."""
        if (folder / "postgres" / "PG_VERSION").exists() and not (folder / "dev.json").exists():
            raise ConfigurationError(
                f"{folder / 'dev.json'} is gone, and with it the keys to the data beside it. {_RECOVERY_HINT}"
            )
        return cls.read(folder)

    def write(self, folder: Path) -> None:
        """Remember it: written beside and renamed, so that a crash leaves the old or the new."""
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
        """Nothing is in the embedded database: it is new, or somebody deleted its folder."""
        self.roles_made = False
        self.seeded = [mark for mark in self.seeded if mark != EMBEDDED]

    def choose_ports(self) -> None:
        """Keep the ports of last time unless somebody else has them now."""
        if not self.postgres_port or not machine.is_port_free(self.postgres_port):
            self.postgres_port = machine.free_port()
        if not self.valkey_port or not machine.is_port_free(self.valkey_port):
            self.valkey_port = machine.free_port()
        if not self.oidc_port or not machine.is_port_free(self.oidc_port):
            self.oidc_port = machine.free_port()


def prepare(folder: Path) -> None:
    """Make the state folder, closed to git. Raises `ConfigurationError` where one may not write."""
    project = folder.absolute().parent
    try:
        if not os.access(project, os.W_OK):
            raise PermissionError(13, "Permission denied")
        folder.mkdir(mode=0o700 if machine.get_server_user() is None else 0o711, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        raise ConfigurationError(
            f"{project} cannot be written ({error.strerror}), and the development data would be kept there. "
            "Change its permissions or work in a copy of your own."
        ) from None


@contextmanager
def exclusive_lock(folder: Path, timeout: float = 2) -> Iterator[None]:
    """Be the only supervisor of this folder; one that is just going is waited for, for `timeout` seconds.

    Raises `ConfigurationError` when there is one that stays.
    """
    limit = time.monotonic() + timeout
    while True:
        with machine.file_lock(folder / "dev.lock") as held:
            if held:
                yield
                return
        if time.monotonic() > limit:
            raise ConfigurationError(
                f"`undercroft dev` is already running in {folder.absolute().parent}. "
                "Stop that one (Ctrl-C in its terminal), or work in another copy."
            )
        time.sleep(0.1)


def is_running(folder: Path) -> bool:
    """Whether a supervisor runs in this folder."""
    if not (folder / "dev.lock").exists():
        return False
    with machine.file_lock(folder / "dev.lock") as free:
        return not free
