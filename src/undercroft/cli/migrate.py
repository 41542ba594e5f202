"""`undercroft migrate`: the schema, one history per package."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from undercroft.cli._database import migration_url
from undercroft.cli._terminal import console
from undercroft.core.errors import ConfigurationError

if TYPE_CHECKING:
    from undercroft.core.db.migrations import CreatedMigration, Repair

ATTACHES = True
"""While `undercroft dev` runs here, this works on its stack."""

app = typer.Typer(
    help="Bring the database's schema up to date, look at it, or write a migration.", no_args_is_help=True
)


@app.command()
def upgrade(
    dry_run: Annotated[bool, typer.Option("--sql", help="Print the SQL instead of running it.")] = False,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Stop with an error before a migration that can lose data.")
    ] = False,
) -> None:
    """Run every migration that the database has not seen, one transaction each; safe from several machines at once.

    Row-level security is then made what TENANT_RLS says: `undercroft db rls` prints its SQL.
    """
    from undercroft.app.migrations import histories, schema_warnings, upgrade_all
    from undercroft.core.db import DatabaseSettings
    from undercroft.core.db.connect import wait_for_database
    from undercroft.core.db.migrations import pending_sql
    from undercroft.core.settings import load

    url = migration_url()
    asyncio.run(wait_for_database(url, load(DatabaseSettings).db_start_timeout))
    if dry_run:
        for history in histories():
            typer.echo(asyncio.run(pending_sql(url, history)), nl=False)
        return
    run = asyncio.run(upgrade_all(url, report=lambda revision: console().print(f"  {revision}"), lossless=lossless))
    if lossless and (waiting := asyncio.run(schema_warnings(url))):
        raise ConfigurationError(waiting[0])
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
    module: Annotated[
        str | None, typer.Option("--module", help="The module whose models changed; found by itself if only one did.")
    ] = None,
) -> None:
    """Write a migration from the difference between a module's models and the database.

    A column or table that was most likely renamed is renamed, not dropped. A new module gets its first history.
    """
    from undercroft.core.db.migrations import NoChangesDetected

    try:
        created = asyncio.run(_create(message, module))
    except NoChangesDetected as agreed:
        console().print(str(agreed), markup=False)
        return
    console().print(f"Wrote {created.file}. Read it before you run it: `undercroft migrate upgrade`.", markup=False)
    for rename in created.renames:
        console().print(f"It renames {rename}. If these are different things, write a drop and an add instead.")


async def _create(message: str, module: str | None) -> "CreatedMigration":
    from undercroft.app.migrations import history_to_extend, require_current, require_module
    from undercroft.core.db.migrations import create, migration_name

    message = migration_name(message)
    if module is not None:
        require_module(module)
    url = migration_url()
    if warnings := await require_current(url):
        raise ConfigurationError(warnings[0])
    return await create(url, await history_to_extend(module, url), message)


@app.command()
def repair(
    stamp: Annotated[bool, typer.Option("--stamp", help="Undo nothing; only mark the migrations as undone.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Leave migrations that the database has run and whose files are gone (deleted, or on another branch of git).

    They are undone with the SQL that was stored when they ran. What they made is lost with what is in it.
    """
    from undercroft.app.migrations import histories
    from undercroft.core.db.migrations import apply_repair, find_repairs

    url = migration_url()
    found = asyncio.run(find_repairs(url, histories()))
    if not found:
        console().print("Every migration that the database has run has its file. There is nothing to repair.")
    for each in found:
        _print_repair(each, stamp)
        if not yes:
            typer.confirm("Do this?", abort=True)
        asyncio.run(apply_repair(url, each, stamp=stamp))
        console().print(f"{each.history.name} is at {each.status.known or 'base'}.", markup=False)


def _print_repair(planned: "Repair", stamp: bool) -> None:
    out = console()
    listed = ", ".join(missing.revision for missing in planned.status.missing)
    target = planned.status.known or "base"
    out.print(f"{planned.history.name}: {listed} has no file in {planned.history.versions}.", markup=False)
    if stamp:
        out.print(f"The database will be marked as standing at {target}; nothing in it is changed.", markup=False)
    for statement in () if stamp else planned.statements or ():
        out.print(f"  {statement}", markup=False)


@app.command()
def status() -> None:
    """Show where the database stands; exits with 1 when something is to be run or has no file here."""
    from undercroft.app.migrations import get_statuses

    found = asyncio.run(get_statuses(migration_url()))
    table = Table("history", "database", "newest", "to run", box=None, header_style="bold")
    for each in found:
        table.add_row(each.history, each.current or "empty", each.head or "none", ", ".join(each.pending) or "nothing")
    console().print(table)
    for each in found:
        for missing in each.missing:
            console().print(f"{missing.revision} of {each.history} has no file here.", markup=False)
    if any(each.pending or each.missing for each in found):
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
    from undercroft.app.migrations import find_differences, require_current, upgrade_all
    from undercroft.core.db.row_security import RowSecurityConfig
    from undercroft.core.db.settings import DatabaseSettings
    from undercroft.core.settings import load

    url = "" if temporary else load(DatabaseSettings).migration_url
    if url:
        asyncio.run(require_current(url))
        found = asyncio.run(find_differences(url))
    else:
        from undercroft.devstack.temporary import temporary_database

        with temporary_database() as url:
            asyncio.run(upgrade_all(url, rls=RowSecurityConfig(enabled=False, tables=())))
            found = asyncio.run(find_differences(url))
    for each in found:
        console().print(each, markup=False)
    if found:
        typer.echo("Write a migration for it: `undercroft migrate new MESSAGE --module NAME`.")
        raise typer.Exit(1)
    typer.echo("Models and migrations agree.")
