"""`undercroft keys`: the keys that sign access tokens, and a good SECRET_KEY."""

import asyncio
import secrets
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from undercroft.core.db import Database
    from undercroft.modules.auth.models import SigningKey

R = TypeVar("R")

app = typer.Typer(help="Rotate or list the signing keys, or print a good SECRET_KEY.", no_args_is_help=True)
console = Console(highlight=False)


@app.command()
def rotate(
    early: Annotated[bool, typer.Option("--early", help="Although others may not know the next key yet.")] = False,
) -> None:
    """Let the next key sign, publish another one, and retire the one that signed so far. Nobody is signed out."""
    from undercroft.modules.auth.signing import rotate as rotate_keys

    active, following = asyncio.run(_with_database(lambda database: rotate_keys(database, early=early)))
    console.print(f"{active} signs now; {following} is published as the next one.", soft_wrap=True)


@app.command("list")
def list_keys() -> None:
    """Show the keys: which signs, which comes next, which are retired."""
    from undercroft.modules.auth.signing import all_keys

    table = Table("key", "state", "made", "signs since", "retired")
    for key in asyncio.run(_with_database(all_keys)):
        table.add_row(*_cells(key))
    console.print(table)


@app.command()
def secret() -> None:
    """Print a value for SECRET_KEY: 48 random bytes."""
    typer.echo(secrets.token_urlsafe(48))


def _cells(key: "SigningKey") -> list[str]:
    moments = (key.created_at, key.activated_at, key.retired_at)
    return [key.kid, str(key.state), *(f"{moment:%Y-%m-%d %H:%M}" if moment else "" for moment in moments)]


async def _with_database(work: "Callable[[Database], Awaitable[R]]") -> "R":
    from undercroft.core.db import Database, DatabaseSettings
    from undercroft.core.settings import load

    database = Database(load(DatabaseSettings))
    try:
        return await work(database)
    finally:
        await database.close()
