"""`undercroft user`: make a superadmin, set somebody's password, or turn two-step sign-in off for somebody."""

import sys
from typing import Annotated

import typer

from undercroft.cli._database import with_database
from undercroft.core.errors import ConfigurationError

ATTACHES = True
"""While `undercroft dev` runs here, this works on its stack."""

app = typer.Typer(help="Make a superadmin, or let somebody in who lost password or device.", no_args_is_help=True)

FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@app.command("create-admin")
def create_admin(
    email: Annotated[str, typer.Argument(help="The address to sign in with.")],
    full_name: Annotated[str, typer.Option("--name", help="What the person is called.")] = "",
    from_stdin: FromStdin = False,
) -> None:
    """Make a superadmin. Somebody who has an account already becomes one and keeps the password."""
    from undercroft.modules.auth import commands

    address = _parse_email(email)
    known = with_database(lambda database: commands.user_exists(database, address))
    password = None if known else _read_password(from_stdin)
    with_database(
        lambda database: commands.create_admin(database, email=address, password=password, full_name=full_name)
    )
    typer.echo(f"{address} is a superadmin now." if known else f"{address} is a superadmin and may sign in.")


@app.command("set-password")
def set_password(
    email: Annotated[str, typer.Argument(help="The address that the person signs in with.")],
    from_stdin: FromStdin = False,
) -> None:
    """Set somebody's password and end all their sessions."""
    from undercroft.modules.auth import commands

    address, password = _parse_email(email), _read_password(from_stdin)
    with_database(lambda database: commands.set_password(database, email=address, password=password))
    typer.echo(f"The password of {address} is set, and all sessions have ended.")


@app.command("mfa-reset")
def reset_mfa(email: Annotated[str, typer.Argument(help="The address that the person signs in with.")]) -> None:
    """Turn two-step sign-in off for somebody who has lost all second factors, and tell them by mail."""
    from undercroft.modules.mfa import reset_by_email

    address = _parse_email(email)
    was_on = with_database(lambda database: reset_by_email(database, email=address))
    typer.echo(f"Two-step sign-in of {address} is off." if was_on else f"{address} has no second factor.")


def _parse_email(email: str) -> str:
    from undercroft.core.validation import normalize_email

    try:
        return normalize_email(email)
    except ValueError as error:
        raise ConfigurationError(f"{email} is not a mail address: {error}") from None


def _read_password(from_stdin: bool) -> str:
    """What is typed twice and not shown, or the first line of standard input."""
    if from_stdin:
        return _read_line()
    if not sys.stdin.isatty():
        raise ConfigurationError("There is no terminal to type a password at. Use --password-stdin.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _read_line() -> str:
    try:
        line = sys.stdin.readline().rstrip("\r\n")
        line.encode()
    except UnicodeError:
        raise ConfigurationError("What standard input holds is not text in UTF-8.") from None
    return line
