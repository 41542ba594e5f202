"""`undercroft keys`: manage the keys that sign access tokens, and generate a SECRET_KEY."""

import secrets
from typing import Annotated, Any

import typer
from rich.table import Table

from undercroft.cli._database import with_database
from undercroft.core.commands import console

ATTACHES = True

app = typer.Typer(help="Rotate or list the signing keys, or generate a SECRET_KEY.", no_args_is_help=True)


@app.command()
def rotate(
    early: Annotated[
        bool, typer.Option("--early", help="Rotate even if clients may not have fetched the next key yet.")
    ] = False,
) -> None:
    """Activate the next key, publish its successor and retire the active key. Sessions stay valid."""
    from undercroft.modules.sessions import SigningKeyService

    active, following = with_database(lambda database: SigningKeyService(database).rotate(early=early))
    console().print(f"{active} is the active key; {following} is published as the next one.")


@app.command("list")
def list_keys() -> None:
    """List the active, the next and the retired signing keys."""
    from undercroft.modules.sessions import SigningKeyService

    table = Table("key", "state", "created", "activated", "retired", box=None, header_style="bold")
    for key in with_database(lambda database: SigningKeyService(database).all()):
        table.add_row(*_table_row(key))
    console().print(table)


@app.command()
def secret() -> None:
    """Print a random value for SECRET_KEY (48 bytes)."""
    typer.echo(secrets.token_urlsafe(48))


def _table_row(key: Any) -> list[str]:
    moments = (key.created_at, key.activated_at, key.retired_at)
    return [key.kid, str(key.state), *(f"{moment:%Y-%m-%d %H:%M}" if moment else "" for moment in moments)]
