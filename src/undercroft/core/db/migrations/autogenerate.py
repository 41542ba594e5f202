"""Generate a migration from the difference between models and database."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import Script
from msgspec import Struct

from undercroft.core.db.migrations.history import History
from undercroft.core.db.migrations.renames import Rename, detect_renames
from undercroft.core.db.migrations.runner import run
from undercroft.core.errors import ConfigurationError


class NoChangesDetected(ConfigurationError):
    """The models and the database agree, so there is no migration to write."""


class CreatedMigration(Struct, frozen=True):
    """A generated migration file and the renames that it contains."""

    file: Path
    renames: tuple[Rename, ...]


def migration_name(message: str) -> str:
    """The message on one line. Raises `ConfigurationError` if it contains no letter or digit."""
    name = " ".join(message.split())
    if not name.isprintable() or not any(character.isalnum() for character in name):
        raise ConfigurationError("Describe the change in a few words: they become the name of the migration.")
    return name


async def create(url: str, history: History, message: str) -> CreatedMigration:
    """Generate a migration from the difference between models and database, and format it.

    Raises `NoChangesDetected` if there is none, and `ConfigurationError` for an invalid message.
    """
    message = migration_name(message)
    quoted = message.replace("\\", "\\\\").replace('"', '\\"')
    found: list[Rename] = []

    def adapt(_context: Any, _revision: Any, directives: list[Any]) -> None:
        (script,) = directives
        if script.upgrade_ops.is_empty():
            directives.clear()
        else:
            found.extend(detect_renames(script.upgrade_ops, script.downgrade_ops))

    def make(config: Config) -> Path | None:
        script = command.revision(
            config, quoted, autogenerate=True, rev_id=_next_id(history, message), process_revision_directives=adapt
        )
        return Path(script.path) if isinstance(script, Script) else None

    history.versions.mkdir(parents=True, exist_ok=True)
    path: Path | None = await run(url, history, make)
    if path is None:
        raise NoChangesDetected(f"The models of {history.name} match the database: there is nothing to migrate.")
    _format(path)
    return CreatedMigration(path, tuple(found))


def _next_id(history: History, message: str) -> str:
    taken = [path.name for path in history.versions.glob("[0-9]*.py")]
    number = max((int(name[:4]) for name in taken), default=0) + 1
    words = "_".join("".join(c if c.isalnum() else " " for c in message.lower()).split())
    return f"{number:04d}_{words}"[:32].rstrip("_")


def _format(path: Path) -> None:
    """Format the file with ruff if it is installed; otherwise it is valid but not formatted."""
    if find_spec("ruff") is None:
        return
    for arguments in (("check", "--quiet", "--fix", "--exit-zero", "--select", "I,F401"), ("format", "--quiet")):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, str(path)], check=False, capture_output=True)
