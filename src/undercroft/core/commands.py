"""Commands of a module: its file `commands.py` defines `app`, a `typer.Typer`, for `undercroft <module>`.

app = typer.Typer(help="Manage rooms.", no_args_is_help=True)

@app.command()
def count() -> None:
    \"""Print the number of rooms.\"""
    typer.echo(with_database(count_rooms))         # async def count_rooms(database: Database) -> int
"""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from undercroft.core.context import current_context
from undercroft.core.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console

    from undercroft.core.db import Database

__all__ = ["DatabaseRunner", "console", "parse_email", "with_database"]

R = TypeVar("R")
PIPE_WIDTH = 250


class DatabaseRunner(Protocol):
    """Runs the work of a command on the configured database."""

    def __call__(self, work: "Callable[[Database], Awaitable[Any]]", *, as_owner: bool = False) -> Any: ...


def with_database(work: "Callable[[Database], Awaitable[R]]", *, as_owner: bool = False) -> R:
    """Run `work` on the database, as the owner of the tables if `as_owner` is set, and close the database.

    Raises `ConfigurationError` when no database is configured, it refuses the connection or its schema is outdated.
    """
    result: R = current_context().get(DatabaseRunner)(work, as_owner=as_owner)
    return result


def console() -> "Console":
    """Return a console for standard output. Output to a file or pipe is plain text without line wrapping."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def parse_email(email: str) -> str:
    """Return a normalized email address. Raises `ConfigurationError` if it is invalid."""
    from undercroft.core.validation import normalize_email

    try:
        return normalize_email(email)
    except ValueError as error:
        raise ConfigurationError(f"{email} is not a valid email address: {error}") from None
