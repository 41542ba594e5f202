"""`undercroft db`: manage the embedded PostgreSQL, and print SQL for roles and row-level security."""

import secrets
from typing import Annotated, Literal

import typer

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import STATE_FOLDER
from undercroft.devstack import control
from undercroft.devstack.environment import ProjectEnvironment
from undercroft.devstack.roles import Roles, script
from undercroft.devstack.state import DevState, is_running

app = typer.Typer(
    help="Manage the embedded PostgreSQL of `undercroft dev`; print SQL for roles and row-level security.",
    no_args_is_help=True,
)


@app.command()
def stop() -> None:
    """Stop PostgreSQL while the rest of `undercroft dev` keeps running, to simulate an outage."""
    _require_embedded()
    control.stop_postgres(STATE_FOLDER)
    typer.echo("PostgreSQL is stopped. Start it with `undercroft db start`.")


@app.command()
def start() -> None:
    """Start PostgreSQL again."""
    _require_embedded()
    control.start_postgres(STATE_FOLDER)
    typer.echo("PostgreSQL is running.")


@app.command()
def status() -> None:
    """Show whether PostgreSQL is running. Exits with 1 if it is not."""
    _require_embedded()
    if control.is_postgres_listening(STATE_FOLDER):
        typer.echo("PostgreSQL is running.")
        return
    stopped = is_running(STATE_FOLDER) and control.is_stop_requested(STATE_FOLDER)
    typer.echo(
        "PostgreSQL is stopped. Start it with `undercroft db start`." if stopped else "`undercroft dev` is not running."
    )
    raise typer.Exit(1)


@app.command()
def url(
    role: Annotated[
        Literal["app", "owner", "admin"],
        typer.Argument(help="The role to connect as: the application, the owner or the admin API."),
    ] = "app",
) -> None:
    """Print the URL of the embedded database, including the password: `psql $(undercroft db url)`."""
    _require_embedded()
    state = DevState.read(STATE_FOLDER)
    if not state.roles_made:
        raise ConfigurationError("There is no embedded database yet. Start `undercroft dev` to create it.")
    typer.echo(state.roles.url(role, "127.0.0.1", state.postgres_port))


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False) -> None:
    """Delete all data of the embedded PostgreSQL and Valkey. The next `undercroft dev` creates a new database."""
    _require_embedded()
    if not yes:
        typer.confirm("Delete all data of the embedded PostgreSQL and Valkey?", abort=True)
    control.reset(STATE_FOLDER)
    typer.echo("All development data was deleted. `undercroft dev` creates a new database.")


@app.command()
def roles() -> None:
    """Print the SQL that creates the roles and the database on your PostgreSQL server, with new passwords."""
    typer.echo(script(Roles(*(secrets.token_urlsafe(24) for _ in range(3)))), nl=False)


@app.command()
def rls(
    off: Annotated[bool, typer.Option("--off", help="Print the SQL that disables it.")] = False,
) -> None:
    """Print the SQL that enables row-level security. `undercroft migrate upgrade` runs it when TENANT_RLS is on."""
    from undercroft.app.schema import build_row_security
    from undercroft.core.db.row_security import statements

    for statement in statements(build_row_security(enabled=not off)):
        typer.echo(f"{statement};")


def _require_embedded() -> None:
    if ProjectEnvironment().has_database:
        raise ConfigurationError(
            "DATABASE_URL is set, and this command works only on the embedded PostgreSQL. "
            "Unset DATABASE_URL to use the embedded one."
        )
