"""`undercroft example`: commands of the extension."""

import typer

from undercroft.core.commands import with_database
from undercroft.core.db import Database

app = typer.Typer(help="Inspect rooms.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make Typer treat the single command as part of a group."""


@app.command()
def count() -> None:
    """Print the number of rooms of all teams."""
    typer.echo(with_database(_count))


async def _count(database: Database) -> int:
    from extensions.example.repository import count_rooms

    async with database.read_session() as session:
        return await count_rooms(session)
