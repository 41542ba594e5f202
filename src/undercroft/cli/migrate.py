"""`undercroft migrate`: manage the database schema. Each module has its own migration history."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from undercroft.cli._database import migration_url
from undercroft.core.commands import console
from undercroft.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from undercroft.core.db.migrations import CreatedMigration, PlannedMigration, PreflightCheck, Repair

ATTACHES = True

app = typer.Typer(help="Apply, inspect, create and repair database migrations.", no_args_is_help=True)


@app.command()
def upgrade(
    dry_run: Annotated[bool, typer.Option("--sql", help="Print the SQL instead of running it.")] = False,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Stop with an error before a migration that can lose data.")
    ] = False,
) -> None:
    """Apply all pending migrations, one transaction each. Safe to run on several machines at once.

    Before a migration that requires a backfill, runs that backfill and shows its progress, or waits for the worker that
    runs it. Ctrl-C is safe.

    Afterwards, row-level security is enabled or disabled according to TENANT_RLS (SQL: `undercroft db rls`).
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
    console().print(f"Applied {len(run)} migration{'s' * (len(run) != 1)}." if run else "The schema is up to date.")


@app.command()
def plan() -> None:
    """Show what `upgrade` would do, and whether something stands in its way. Changes nothing.

    For each pending migration: its statements, the locks it takes on existing tables and their size, whether it can
    lose data, and whether the previous release runs on the new schema. Exits with 1 if a check fails.
    """
    from undercroft.app.migrations import histories
    from undercroft.core.db.migrations import plan_upgrade, preflight, table_sizes

    url = migration_url()
    planned = asyncio.run(plan_upgrade(url, histories()))
    sizes, checks = asyncio.run(table_sizes(url, planned)), asyncio.run(preflight(url, planned))
    for each in planned:
        typer.echo(f"{each.history} {each.revision}")
        for name, value in describe_migration(each, sizes):
            typer.echo(f"  {name:<11}{value}")
    typer.echo(f"{len(planned)} pending migration{'s' * (len(planned) != 1)}." if planned else "Nothing to migrate.")
    for check in checks:
        typer.echo(f"  {describe_check(check)}")
    if any(check.problem for check in checks):
        raise typer.Exit(1)


def describe_check(check: "PreflightCheck") -> str:
    """Return a condition of an upgrade in a line."""
    return f"✗ {check.name}: {check.problem}" if check.problem else f"✓ {check.name}"


def describe_migration(planned: "PlannedMigration", sizes: "Mapping[str, int]") -> "Iterator[tuple[str, str]]":
    """Yield the facts about a pending migration, each with its name."""
    if planned.statements is None:
        yield "statements", "unknown: it needs a database connection"
    else:
        yield "statements", str(planned.statements)
    for table, mode in planned.locks.items():
        size = f" ({sizes[table] / 1e6:.1f} MB)" if table in sizes else ""
        yield "lock", f"{table}{size}: {mode}"
    for name in planned.backfills:
        yield "backfill", f"{name} is completed before it"
    if planned.lossy_statement is not None:
        yield "data", f"can be lost: {' '.join(planned.lossy_statement.split())}"
    if planned.risks:
        yield "risks", ", ".join(planned.risks)
    refused = "the previous release cannot run on the new schema: stop its processes first"
    yield "code", "the previous release runs on the new schema" if planned.backward_compatible else refused


@app.command(context_settings={"ignore_unknown_options": True})  # `-1` is a revision
def downgrade(
    history: Annotated[str, typer.Argument(help="`core` or the name of a module.")],
    revision: Annotated[str, typer.Argument(help="The target revision, `-1` for one step, or `base` for all.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Revert migrations of one history. Drops the columns and tables that they created, with their data."""
    from undercroft.app.migrations import history as find
    from undercroft.core.db.migrations import downgrade as take_back

    found, url = find(history), migration_url()
    if not yes:
        typer.confirm(f"Downgrade {history} to {revision}? Data of newer columns and tables is lost.", abort=True)
    asyncio.run(take_back(url, found, revision))
    console().print(f"{history} is now at {revision}.")


@app.command()
def new(
    message: Annotated[str, typer.Argument(help="A short description of the change.")],
    module: Annotated[
        str | None, typer.Option("--module", help="The module to migrate. Detected if only one module changed.")
    ] = None,
) -> None:
    """Create a migration from the differences between a module's models and the database.

    A column or table that was most likely renamed is renamed, not dropped. A new module gets its own history.
    """
    from undercroft.app.migrations import find_risks
    from undercroft.core.db.migrations import NoChangesDetected

    try:
        created = asyncio.run(_create(message, module))
    except NoChangesDetected as unchanged:
        console().print(str(unchanged), markup=False)
        return
    console().print(f"Created {created.file}. Review it, then run `undercroft migrate upgrade`.", markup=False)
    for rename in created.renames:
        console().print(f"It renames {rename}. If this is not a rename, replace it by a drop and an add.")
    for risk in find_risks():
        if risk.file == created.file:
            typer.echo(f"\nWarning: {risk}")


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
    stamp: Annotated[bool, typer.Option("--stamp", help="Only mark the migrations as reverted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Revert applied migrations that have no file (deleted, or on another Git branch).

    Uses the SQL that was stored when they were applied. Drops what they created, with its data.
    """
    from undercroft.app.migrations import histories
    from undercroft.core.db.migrations import apply_repair, find_repairs

    url = migration_url()
    found = asyncio.run(find_repairs(url, histories()))
    if not found:
        console().print("Every applied migration has its file. There is nothing to repair.")
    for each in found:
        _print_repair(each, stamp)
        if not yes:
            typer.confirm("Continue?", abort=True)
        asyncio.run(apply_repair(url, each, stamp=stamp))
        console().print(f"{each.history.name} is now at {each.status.known or 'base'}.", markup=False)


def _print_repair(planned: "Repair", stamp: bool) -> None:
    out = console()
    listed = ", ".join(missing.revision for missing in planned.status.missing)
    target = planned.status.known or "base"
    out.print(f"{planned.history.name}: {listed} has no file in {planned.history.versions}.", markup=False)
    if stamp:
        out.print(f"The database will be marked as being at {target}; no table is changed.", markup=False)
    for statement in () if stamp else planned.statements or ():
        out.print(f"  {statement}", markup=False)


@app.command()
def status() -> None:
    """Show the applied and pending migrations. Exits with 1 if one is pending or has no file."""
    from undercroft.app.migrations import get_statuses

    found = asyncio.run(get_statuses(migration_url()))
    table = Table("history", "database", "newest", "pending", box=None, header_style="bold")
    for each in found:
        table.add_row(each.history, each.current or "empty", each.head or "none", ", ".join(each.pending) or "none")
    console().print(table)
    for each in found:
        for missing in each.missing:
            console().print(f"{missing.revision} of {each.history} has no file.", markup=False)
    if any(each.pending or each.missing for each in found):
        raise typer.Exit(1)


@app.command()
def check(
    temporary: Annotated[
        bool, typer.Option("--temporary", help="Use a temporary embedded PostgreSQL even if DATABASE_URL is set.")
    ] = False,
) -> None:
    """Find migrations that are dangerous with traffic, and differences between models and database.

    Exits with 1 if there are any. Lists each dangerous statement with the safe sequence of changes; a migration accepts
    a risk by `accepted_risks = {"KIND": "REASON"}`. Without DATABASE_URL, it compares the models with a temporary
    embedded PostgreSQL.
    """
    from undercroft.app.migrations import find_differences, find_risks, require_current, upgrade_all
    from undercroft.core.db import DatabaseSettings
    from undercroft.core.db.row_security import RowSecurityConfig
    from undercroft.core.settings import load

    risks = find_risks()
    for risk in risks:
        typer.echo(f"{risk}\n")
    url = "" if temporary else load(DatabaseSettings).migration_url
    if url:
        asyncio.run(require_current(url))
        found = asyncio.run(find_differences(url))
    else:
        from undercroft.devstack.postgres import temporary_database

        with temporary_database() as url:
            asyncio.run(upgrade_all(url, rls=RowSecurityConfig(enabled=False, tables=())))
            found = asyncio.run(find_differences(url))
    for each in found:
        console().print(each, markup=False)
    if found:
        typer.echo("Create a migration: `undercroft migrate new MESSAGE --module NAME`.")
    if found or risks:
        raise typer.Exit(1)
    typer.echo("Models and migrations match, and no migration is dangerous.")
