"""`undercroft db`: the embedded PostgreSQL, and the roles of any other."""

import secrets
from enum import StrEnum
from typing import Annotated

import typer

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import STATE_FOLDER

app = typer.Typer(
    help="Stop, start or empty the PostgreSQL of `undercroft dev`; print its URL, or SQL of roles and policies.",
    no_args_is_help=True,
)


class DatabaseRole(StrEnum):
    APP = "app"
    OWNER = "owner"
    ADMIN = "admin"


@app.command()
def stop() -> None:
    """Stop PostgreSQL while the rest of `undercroft dev` goes on, to see what an outage looks like."""
    from undercroft.devstack.control import stop_postgres

    _require_embedded()
    stop_postgres(STATE_FOLDER)
    typer.echo("PostgreSQL is stopped. `undercroft db start` starts it.")


@app.command()
def start() -> None:
    """Start PostgreSQL again."""
    from undercroft.devstack.control import start_postgres

    _require_embedded()
    start_postgres(STATE_FOLDER)
    typer.echo("PostgreSQL runs.")


@app.command()
def status() -> None:
    """Say whether PostgreSQL runs; exits with 1 when it does not."""
    from undercroft.devstack.control import is_postgres_listening, is_stop_requested
    from undercroft.devstack.state import is_running

    _require_embedded()
    if is_postgres_listening(STATE_FOLDER):
        typer.echo("PostgreSQL runs.")
        return
    stopped = is_running(STATE_FOLDER) and is_stop_requested(STATE_FOLDER)
    typer.echo(
        "PostgreSQL is stopped. `undercroft db start` starts it." if stopped else "`undercroft dev` does not run."
    )
    raise typer.Exit(1)


@app.command()
def url(
    role: Annotated[
        DatabaseRole, typer.Argument(help="Whose URL: the application's, the owner's or the admin's.")
    ] = DatabaseRole.APP,
) -> None:
    """Print the URL of the embedded database, password included: `psql $(undercroft db url)`."""
    from undercroft.devstack.state import DevState

    _require_embedded()
    kept = DevState.read(STATE_FOLDER)
    if not kept.roles_made:
        raise ConfigurationError("There is no embedded database yet. `undercroft dev` makes one.")
    typer.echo(kept.roles.url(role.value, "127.0.0.1", kept.postgres_port))


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete all data of the embedded PostgreSQL and Valkey; the next `undercroft dev` begins anew."""
    from undercroft.devstack.reset import reset as delete

    _require_embedded()
    if not yes:
        typer.confirm("Delete all data of the embedded PostgreSQL and Valkey?", abort=True)
    delete(STATE_FOLDER)
    typer.echo("Everything is deleted. `undercroft dev` begins anew.")


@app.command()
def roles() -> None:
    """Print the SQL that makes the roles and the database on a PostgreSQL of your own, with new passwords."""
    from undercroft.devstack.roles import Roles, script

    typer.echo(script(Roles(*(secrets.token_urlsafe(24) for _ in range(3)))), nl=False)


@app.command()
def rls(
    off: Annotated[bool, typer.Option("--off", help="What takes it down again.")] = False,
) -> None:
    """Print the SQL of row-level security on teams' tables, which `undercroft migrate upgrade` runs by TENANT_RLS."""
    from undercroft.app.schema import build_row_security
    from undercroft.core.db.row_security import statements

    for statement in statements(build_row_security(enabled=not off)):
        typer.echo(f"{statement};")


def _require_embedded() -> None:
    from undercroft.devstack.environment import ProjectEnvironment

    if ProjectEnvironment().has_database:
        raise ConfigurationError(
            "DATABASE_URL is set: that PostgreSQL is yours, and this command leaves it alone. "
            "Unset it to work on the embedded one."
        )
