"""`undercroft audit`: apply the retention period of the audit log."""

from typing import Annotated

import typer
from rich.table import Table

from undercroft.core.commands import console, with_database

app = typer.Typer(help="Drop old months of the audit log.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make Typer treat the single command as part of a group."""


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be dropped.")] = False,
) -> None:
    """Drop the months before the last AUDIT_RETENTION_MONTHS.

    Runs as the owner of the tables and writes an audit entry.
    """
    from undercroft.core.settings import load
    from undercroft.modules.audit.service.partitions import prune as drop
    from undercroft.modules.audit.settings import AuditSettings

    months = load(AuditSettings).audit_retention_months
    dropped = with_database(lambda database: drop(database, keep_months=months, dry_run=dry_run), as_owner=True)
    if not dropped:
        none = f"No entries are older than {months} months."
        typer.echo(none if months else "AUDIT_RETENTION_MONTHS is 0: nothing to drop.")
        return
    table = Table("month", "entries", box=None, header_style="bold")
    for month in dropped:
        table.add_row(month.label, str(month.count))
    console().print(table)
    typer.echo("Dry run: these months would be dropped." if dry_run else "Dropped.")
