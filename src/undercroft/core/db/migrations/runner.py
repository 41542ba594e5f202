"""Run Alembic: its configuration, its connection, and rendering SQL without a database."""

import asyncio
import re
import time
import warnings
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from traceback import walk_stack
from types import ModuleType
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util.exc import CommandError
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from undercroft.core.db.connect import create_engine
from undercroft.core.db.errors import unreachable_error
from undercroft.core.db.migrations.history import History
from undercroft.core.db.migrations.statements import Statement
from undercroft.core.errors import ConfigurationError
from undercroft.core.telemetry.origin import relative_path

SCRIPT_LOCATION = Path(__file__).parents[3] / "migrations"
LOCK_KEY = 0x756E6465726372  # "undercr", the same in every process of this application
LOCK_POLL = 0.2
LOCK_TIMEOUT = 2
"""Seconds that a statement of a migration waits for a lock: all other traffic on the table queues behind it."""


@asynccontextmanager
async def open_migration_connection(url: str) -> AsyncIterator[AsyncConnection]:
    """Open a separate connection for migrations. Raises `ConfigurationError` if the database cannot be reached."""
    engine = create_engine(url, "migrate")
    try:
        connection = await engine.connect()
    except Exception as error:
        raise unreachable_error(url, error) from error
    event.listen(connection.sync_connection, "begin", _set_limits)
    try:
        yield connection
    finally:
        await connection.close()
        await engine.dispose()


@asynccontextmanager
async def migration_lock(url: str, wait: float) -> AsyncIterator[None]:
    """Hold the advisory lock in a transaction of a second connection, which also works through a pooler."""
    deadline = time.monotonic() + wait
    async with open_migration_connection(url) as connection:
        while not await connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK_KEY}):
            await connection.rollback()  # undercroft: allow transaction because the connection is opened here
            if time.monotonic() > deadline:
                raise ConfigurationError(f"Another process has been migrating for {wait:.0f} seconds. Try again later.")
            await asyncio.sleep(LOCK_POLL)
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield


def _set_limits(connection: Connection) -> None:
    """Set the limits in each transaction: a transaction pooler does not support connection settings."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'")
    connection.exec_driver_sql("SET LOCAL timezone = 'UTC'")


async def run(url: str, history: History, action: Callable[[Config], Any], **attributes: Any) -> Any:
    """Run an Alembic command on this database; `attributes` are passed to its environment."""

    def act(connection: Connection) -> Any:
        return action(alembic_config(history, connection=connection, **attributes))

    async with open_migration_connection(url) as connection:
        return await connection.run_sync(act)


def alembic_config(history: History, **attributes: Any) -> Config:
    """Alembic's configuration of one history."""
    config = Config(stdout=StringIO(), cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(SCRIPT_LOCATION))
    config.set_main_option("version_locations", str(history.versions))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_table", history.version_table)
    config.set_main_option("file_template", "%%(rev)s")
    config.attributes.update(attributes, tables=history.tables)
    return config


def script_directory(history: History) -> ScriptDirectory:
    """The migration files of a history. Raises `ConfigurationError`, with file and line, if they have no linear order.

    Causes: a missing file, two files with the same predecessor or the same name, or a file without a name.
    """
    directory = ScriptDirectory.from_config(alembic_config(history))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Alembic raises its other warnings as errors next
            warnings.filterwarnings("error", ".*is present more than once")
            heads = directory.get_heads()
    except KeyError as error:
        revision = str(error.args[0])
        raise ConfigurationError(
            f"A migration of {history.name} follows {revision}, whose file is missing: {history.file(revision)}.\n"
            f"{find_assignments(history, 'down_revision', revision)}"
            "Restore the file, or change `down_revision` of the migration that follows it."
        ) from None
    except UserWarning as warning:
        revision = str(warning).split()[1]
        raise ConfigurationError(
            f"Two migrations of {history.name} have the revision {revision}.\n"
            f"{find_assignments(history, 'revision', revision)}"
            "Set `revision` of each to the name of its file, and `down_revision` to the previous revision."
        ) from None
    except RevisionError as error:
        cycle = sorted(path.name for path in history.versions.glob("*.py") if path.stem in str(error))
        raise ConfigurationError(
            f"The migrations of {history.name} have no linear order: {error}.\n"
            f"{''.join(find_assignments(history, 'down_revision', file=name) for name in cycle)}".rstrip()
        ) from None
    except CommandError as error:
        file = next((file for file in history.versions.glob("*.py") if file.name in str(error)), history.versions)
        raise ConfigurationError(
            f"A migration of {history.name} has no `revision`: {relative_path(str(file))}:1.\n"
            "Set `revision` to the file name, and `down_revision` to the previous revision."
        ) from None
    if len(heads) > 1:
        raise ConfigurationError(
            f"The migrations {' and '.join(sorted(heads))} of {history.name} have the same predecessor.\n"
            f"{''.join(find_assignments(history, 'down_revision', file=f'{head}.py') for head in sorted(heads))}"
            f"Set `down_revision` of one to the other in {history.versions}."
        )
    return directory


def find_assignments(history: History, name: str, value: str = "", *, file: str = "*.py") -> str:
    """The assignments of a name in the files, to this value if one is given: `FILE:LINE` and the line, for each."""
    found = re.compile(rf"""{name}\b[^=]*=.*["']{re.escape(value)}["']""" if value else rf"{name}\b[^=]*=")
    return "".join(
        f"  {relative_path(str(path))}:{number}\n    {line.strip()}\n"
        for path in sorted(history.versions.glob(file))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if found.match(line)
    )


def get_script(history: History, revision: str) -> Script:
    """The file of a revision, which exists."""
    script = script_directory(history).get_revision(revision)
    assert script is not None
    return script


def render_migration(history: History, script: Script) -> list[Statement] | None:
    """The statements of a migration; None if it needs a database connection. Errors in its code are raised."""
    try:
        return render_sql(history, f"{script.down_revision or 'base'}:{script.revision}")
    except (ImportError, NameError, SyntaxError):
        raise
    except AttributeError as error:
        if isinstance(error.obj, ModuleType):  # not an attribute of a connection, which is only a placeholder here
            raise
        return None
    except Exception:  # whatever its code raises because there are no rows
        return None


def render_sql(history: History, revisions: str, *, down: bool = False) -> list[Statement]:
    """The statements that Alembic would run between two revisions (`FROM:TO`), without a database.

    Raises the errors of a migration that needs a database connection.
    """
    statements = _Statements(history.versions)
    config = alembic_config(history)
    config.output_buffer = statements
    (command.downgrade if down else command.upgrade)(config, revisions, sql=True)
    return statements.written


class _Statements(StringIO):
    """Collects the statements; Alembic writes each one separately, called by the line in `folder` that executes it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.written: list[Statement] = []

    def write(self, text: str) -> int:
        frames = (frame for frame, _ in walk_stack(None) if Path(frame.f_code.co_filename).parent == self.folder)
        frame = next(frames, None)
        self.written.append(Statement(text.strip(), frame.f_lineno if frame else 0))
        return len(text)
