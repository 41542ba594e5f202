"""`undercroft user`: create a superadmin, set a user's password, or reset two-factor authentication."""

import sys
from typing import Annotated

import typer

from undercroft.cli._database import with_database
from undercroft.core.errors import ConfigurationError

ATTACHES = True

app = typer.Typer(help="Create a superadmin, set a password, or reset two-factor authentication.", no_args_is_help=True)

FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@app.command("create-admin")
def create_admin(
    email: Annotated[str, typer.Argument(help="Email address to sign in with.")],
    full_name: Annotated[str, typer.Option("--name", help="Full name.")] = "",
    from_stdin: FromStdin = False,
) -> None:
    """Create a superadmin. An existing user is promoted and keeps the password."""
    from undercroft.modules.auth import AccountCommandService

    address = _parse_email(email)
    if with_database(lambda database: AccountCommandService(database).promote_to_superadmin(address)):
        typer.echo(f"{address} is now a superadmin.")
        return
    password = _read_password(from_stdin)
    with_database(
        lambda database: AccountCommandService(database).create_superadmin(
            email=address, password=password, full_name=full_name
        )
    )
    typer.echo(f"Created the superadmin {address}.")


@app.command("set-password")
def set_password(
    email: Annotated[str, typer.Argument(help="Email address of the user.")],
    from_stdin: FromStdin = False,
) -> None:
    """Set a user's password and revoke all their sessions."""
    from undercroft.modules.auth import AccountCommandService

    address, password = _parse_email(email), _read_password(from_stdin)
    with_database(lambda database: AccountCommandService(database).set_password(email=address, password=password))
    typer.echo(f"Changed the password of {address} and revoked all sessions.")


@app.command("mfa-reset")
def reset_mfa(email: Annotated[str, typer.Argument(help="Email address of the user.")]) -> None:
    """Turn off two-factor authentication for a user who lost all second factors, and notify them by email."""
    from undercroft.modules.mfa import reset_by_email

    address = _parse_email(email)
    was_on = with_database(lambda database: reset_by_email(database, email=address))
    typer.echo(f"Turned off two-factor authentication for {address}." if was_on else f"{address} has no second factor.")


def _parse_email(email: str) -> str:
    from undercroft.core.validation import normalize_email

    try:
        return normalize_email(email)
    except ValueError as error:
        raise ConfigurationError(f"{email} is not a valid email address: {error}") from None


def _read_password(from_stdin: bool) -> str:
    """Prompt for the password twice without echo, or read the first line of standard input."""
    if from_stdin:
        return _read_line()
    if not sys.stdin.isatty():
        raise ConfigurationError("Cannot prompt for a password without a terminal. Use --password-stdin.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _read_line() -> str:
    try:
        line = sys.stdin.readline().rstrip("\r\n")
        line.encode()
    except UnicodeError:
        raise ConfigurationError("Standard input is not valid UTF-8.") from None
    return line
