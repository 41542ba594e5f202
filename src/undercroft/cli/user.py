"""`undercroft user`: create a superadmin, or set a user's password."""

import sys
from typing import Annotated

import typer

from undercroft.cli._database import with_database
from undercroft.core.commands import parse_email
from undercroft.core.errors import ConfigurationError

ATTACHES = True

app = typer.Typer(help="Create a superadmin, or set a password.", no_args_is_help=True)

FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@app.command("create-admin")
def create_admin(
    email: Annotated[str, typer.Argument(help="Email address to sign in with.")],
    full_name: Annotated[str, typer.Option("--name", help="Full name.")] = "",
    from_stdin: FromStdin = False,
) -> None:
    """Create a superadmin. An existing user is promoted and keeps the password."""
    from undercroft.modules.auth import AccountCommandService

    address = parse_email(email)
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

    address, password = parse_email(email), _read_password(from_stdin)
    with_database(lambda database: AccountCommandService(database).set_password(email=address, password=password))
    typer.echo(f"Changed the password of {address} and revoked all sessions.")


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
