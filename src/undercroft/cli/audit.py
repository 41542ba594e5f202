"""`undercroft audit`: drop what of the audit log has been kept for long enough."""

from typing import Annotated

import typer
from rich.table import Table

from undercroft.cli._database import with_database
from undercroft.cli._terminal import console

ATTACHES = True
"""While `undercroft dev` runs here, this works on its stack."""

app = typer.Typer(help="Drop old months of the audit log.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps this a group although it has one command."""


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
) -> None:
    """Drop the months before the last AUDIT_KEEP_MONTHS, as the owner of the tables; that is an entry itself."""
    from undercroft.core.settings import load
    from undercroft.modules.audit.partitions import prune as drop
    from undercroft.modules.audit.settings import AuditSettings

    keep = load(AuditSettings).audit_keep_months
    gone = with_database(lambda database: drop(database, keep_months=keep, dry_run=dry_run), as_owner=True)
    if not gone:
        typer.echo(f"Nothing is older than {keep} months." if keep else "AUDIT_KEEP_MONTHS is 0: all of it is kept.")
        return
    table = Table("month", "entries", box=None, header_style="bold")
    for month in gone:
        table.add_row(month.label, str(month.count))
    console().print(table)
    typer.echo("These would be dropped." if dry_run else "Dropped.")
