"""`undercroft audit`: apply the retention period of the audit log."""

from typing import Annotated

import typer
from rich.table import Table

from undercroft.cli._database import with_database
from undercroft.cli._terminal import console

ATTACHES = True
"""This command uses the stack of a running `undercroft dev`."""

app = typer.Typer(help="Drop old months of the audit log.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make Typer treat the single command as part of a group."""


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be dropped.")] = False,
) -> None:
    """Drop the months before the last AUDIT_KEEP_MONTHS. Runs as the owner of the tables and writes an audit entry."""
    from undercroft.core.settings import load
    from undercroft.modules.audit.partitions import prune as drop
    from undercroft.modules.audit.settings import AuditSettings

    keep = load(AuditSettings).audit_keep_months
    dropped = with_database(lambda database: drop(database, keep_months=keep, dry_run=dry_run), as_owner=True)
    if not dropped:
        typer.echo(f"No entries are older than {keep} months." if keep else "AUDIT_KEEP_MONTHS is 0: nothing to drop.")
        return
    table = Table("month", "entries", box=None, header_style="bold")
    for month in dropped:
        table.add_row(month.label, str(month.count))
    console().print(table)
    typer.echo("Dry run: these months would be dropped." if dry_run else "Dropped.")
