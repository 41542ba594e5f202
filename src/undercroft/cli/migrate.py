"""`undercroft migrate`: the schema, one history per package."""

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from undercroft.cli._database import migration_url
from undercroft.cli._terminal import console

ATTACHES = True
"""While `undercroft dev` runs here, this works on its stack."""

app = typer.Typer(
    help="Bring the database's schema up to date, look at it, or write a migration.", no_args_is_help=True
)


@app.command()
def upgrade(
    dry_run: Annotated[bool, typer.Option("--sql", help="Print the SQL instead of running it.")] = False,
) -> None:
    """Run every migration that the database has not seen, one transaction each; safe from several machines at once.

    Row-level security is then made what TENANT_RLS says: `undercroft db rls` prints its SQL.
    """
    from undercroft.app.migrations import histories, upgrade_all
    from undercroft.core.db.migrations import pending_sql

    url = migration_url()
    if dry_run:
        for history in histories():
            typer.echo(asyncio.run(pending_sql(url, history)), nl=False)
        return
    run = asyncio.run(upgrade_all(url, told=lambda revision: console().print(f"  {revision}")))
    console().print(f"Ran {len(run)} migration{'s' * (len(run) != 1)}." if run else "The schema is up to date.")


@app.command(context_settings={"ignore_unknown_options": True})  # `-1` is a revision
def downgrade(
    history: Annotated[str, typer.Argument(help="`core` or the module whose history goes back.")],
    revision: Annotated[str, typer.Argument(help="A revision, `-1` for one step, or `base` for all of it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take one history back. Columns and tables that its migrations made are lost with what is in them."""
    from undercroft.app.migrations import history as find
    from undercroft.core.db.migrations import downgrade as take_back

    found, url = find(history), migration_url()
    if not yes:
        typer.confirm(f"Take {history} back to {revision}? What newer migrations made is lost.", abort=True)
    asyncio.run(take_back(url, found, revision))
    console().print(f"{history} is at {revision}.")


@app.command()
def new(
    message: Annotated[str, typer.Argument(help="What changes, in a few words.")],
    history: Annotated[str, typer.Option("--module", help="`core` or the module whose tables changed.")] = "core",
) -> None:
    """Write a migration from the difference between a module's models and the database."""
    from undercroft.app.migrations import history as find
    from undercroft.app.migrations import require_current
    from undercroft.core.db.migrations import create

    found, url = find(history), migration_url()
    asyncio.run(require_current(url))
    path = asyncio.run(create(url, found, message))
    console().print(f"Wrote {path}. Read it before you run it.")


@app.command()
def status() -> None:
    """Show where the database stands; exits with 1 when something is to be run."""
    from undercroft.app.migrations import statuses

    found = asyncio.run(statuses(migration_url()))
    table = Table("history", "database", "newest", "to run", box=None, header_style="bold")
    for each in found:
        table.add_row(each.history, each.current or "empty", each.head or "none", ", ".join(each.pending) or "nothing")
    console().print(table)
    if any(each.pending for each in found):
        raise typer.Exit(1)


@app.command()
def check(
    temporary: Annotated[
        bool, typer.Option("--temporary", help="On an embedded PostgreSQL made for it, whatever DATABASE_URL says.")
    ] = False,
) -> None:
    """Compare models with the migrated database; exits with 1 and names the differences when they disagree.

    Without DATABASE_URL it runs all migrations on an embedded PostgreSQL made for it.
    """
    from undercroft.app.migrations import disagreements, require_current, upgrade_all
    from undercroft.core.db.row_security import Wanted
    from undercroft.core.db.settings import DatabaseSettings
    from undercroft.core.settings import load

    url = "" if temporary else load(DatabaseSettings).migration_url
    if url:
        asyncio.run(require_current(url))
        found = asyncio.run(disagreements(url))
    else:
        from undercroft.devstack.temporary import temporary_database

        with temporary_database() as url:
            asyncio.run(upgrade_all(url, wanted=Wanted(on=False, tables=())))
            found = asyncio.run(disagreements(url))
    for each in found:
        console().print(each, markup=False)
    if found:
        typer.echo("Write a migration for it: `undercroft migrate new MESSAGE --module NAME`.")
        raise typer.Exit(1)
    typer.echo("Models and migrations agree.")
