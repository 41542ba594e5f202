"""`undercroft mfa`: reset two-factor authentication."""

from typing import Annotated

import typer

from undercroft.core.commands import parse_email, with_database

app = typer.Typer(help="Reset two-factor authentication.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make Typer treat the single command as part of a group."""


@app.command()
def reset(email: Annotated[str, typer.Argument(help="Email address of the user.")]) -> None:
    """Turn off two-factor authentication for a user who lost all second factors, and notify them by email."""
    from undercroft.modules.mfa.service.factors import reset_by_email

    address = parse_email(email)
    was_on = with_database(lambda database: reset_by_email(database, email=address))
    typer.echo(f"Turned off two-factor authentication for {address}." if was_on else f"{address} has no second factor.")
