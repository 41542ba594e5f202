"""`undercroft backfill`: changes of existing rows, in batches. Workers run them; see `undercroft.jobs.backfill`."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table

from undercroft.cli._database import with_database
from undercroft.core.commands import console
from undercroft.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from undercroft.core.db import Database, Session
    from undercroft.jobs.models import BackfillRow

ATTACHES = True
R = TypeVar("R")
Name = Annotated[str, typer.Argument(help="The name of a backfill, such as example.fill_minutes.")]

app = typer.Typer(help="List, run, pause and resume backfills: changes of existing rows.", no_args_is_help=True)


@app.command("list")
def list_all() -> None:
    """Show all backfills with their progress. Exits with 1 if one has failed."""
    from undercroft.jobs.backfills.control import list_backfills
    from undercroft.jobs.models import BackfillStatus

    async def read(database: "Database") -> "list[BackfillRow]":
        async with database.read_session() as session:
            return await list_backfills(session)

    rows = _run(read)
    if not rows:
        console().print("This application has no backfills.")
        return
    table = Table("backfill", "status", "rows", "rows/s", "left", "", box=None, header_style="bold")
    for row in rows:
        table.add_row(*_columns(row))
    console().print(table)
    if any(row.status == BackfillStatus.FAILED for row in rows):
        raise typer.Exit(1)


def _columns(row: "BackfillRow") -> tuple[str, ...]:
    from undercroft.app.backfills import describe_seconds

    rows = "" if row.total is None else f"{row.done:,} of {row.total:,}"
    rate = f"{row.rate:,.0f}" if row.rate else ""
    left = "" if row.remaining is None else describe_seconds(row.remaining)
    note = (row.error or row.throttled or "").splitlines()
    return row.name, row.state, rows, rate, left, note[0] if note else ""


@app.command()
def run(name: Name) -> None:
    """Run a backfill here until it is complete, or follow the worker that runs it. Ctrl-C is safe."""
    from undercroft.app.backfills import complete

    _require_declared(name)
    report = partial(console().print, markup=False)
    _run(lambda database: complete(database, name, report), as_owner=True)
    console().print(f"{name} is complete.")


@app.command()
def pause(name: Name) -> None:
    """Stop a backfill after its current batch, also if processes restart, until `resume`."""
    from undercroft.jobs.backfills import control

    _change("backfill.paused", control.pause, name)


@app.command()
def resume(name: Name) -> None:
    """Continue a paused backfill in a worker."""
    from undercroft.jobs.backfills import control

    _change("backfill.resumed", control.resume, name)


@app.command()
def retry(name: Name) -> None:
    """Continue a failed or canceled backfill in a worker, or start a completed one again."""
    from undercroft.jobs.backfills import control

    _change("backfill.retried", control.retry, name)


@app.command()
def cancel(name: Name) -> None:
    """Stop a backfill until `retry`. What it has changed remains."""
    from undercroft.jobs.backfills import control

    _change("backfill.canceled", control.cancel, name)


def _change(action: str, change: "Callable[[Session, str], Awaitable[BackfillRow]]", name: str) -> None:
    from undercroft.jobs.backfills.control import change_and_record
    from undercroft.jobs.errors import BackfillNotFound

    async def work(database: "Database") -> "BackfillRow":
        async with database.session() as session:
            return await change_and_record(session, action, change, name)

    try:
        row = _run(work)
    except BackfillNotFound:
        _require_declared(name)
        raise
    console().print(f"{row.name} is now {row.state}.")


def _run(work: "Callable[[Database], Awaitable[R]]", *, as_owner: bool = False) -> R:
    """Run `work` on the database. Migrations may be pending: one may be waiting for a backfill."""
    import asyncpg
    from sqlalchemy.exc import ProgrammingError

    from undercroft.core.db.errors import driver_error

    try:
        return with_database(work, as_owner=as_owner, outdated=True)
    except (asyncpg.UndefinedTableError, ProgrammingError) as error:
        if not isinstance(driver_error(error), asyncpg.UndefinedTableError):
            raise
        message = "The database has no table of backfills yet. Run `undercroft migrate upgrade`."
        raise ConfigurationError(message) from None


def _require_declared(name: str) -> None:
    """Raise `ConfigurationError`, with the existing names, if the application has no such backfill."""
    from difflib import get_close_matches

    from undercroft.app.registry import get_registry

    known = list(get_registry().backfills.by_name)
    if name not in known:
        close = get_close_matches(name, known, 1)
        hint = f"Did you mean {close[0]}?" if close else f"Available: {', '.join(known) or 'none'}."
        raise ConfigurationError(f"There is no backfill {name}. {hint}")
