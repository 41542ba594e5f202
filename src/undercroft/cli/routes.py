"""`undercroft routes`: list all routes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from undercroft.cli._stack import use_extensions
from undercroft.core.commands import console

if TYPE_CHECKING:
    from undercroft.app.reference import RouteSummary


def routes(
    part: Annotated[str, typer.Argument(help="Show only paths that contain this text.")] = "",
) -> None:
    """List all routes with their methods, access requirements and summaries."""
    from undercroft.app.api import offline_app
    from undercroft.app.reference import list_routes
    from undercroft.core.modules import AdminComponents

    use_extensions()
    app = offline_app()
    # The server imports admin views at the first request to /admin; importing them here reports their errors.
    app.context.get(AdminComponents)
    found = [each for each in list_routes(app) if part in each.path]
    if not found:
        typer.echo(f"No route's path contains {part}.", err=True)
        raise typer.Exit(1)
    output = console()
    output.print(_table(found) if output.width >= _table_width(found) else _paragraphs(found))


def _table(found: "Sequence[RouteSummary]") -> Table:
    table = Table("methods", "path", "access", "summary", box=None, header_style="bold")
    for each in found:
        table.add_row(each.methods, each.path, each.access, each.summary)
    return table


def _table_width(found: "Sequence[RouteSummary]") -> int:
    """Return the width that the table needs without wrapping: each of the four cells has one space on either side."""
    cells = zip(*((each.methods, each.path, each.access, each.summary) for each in found), strict=True)
    return sum(max(map(len, column)) + 2 for column in cells)


def _paragraphs(found: "Sequence[RouteSummary]") -> Text:
    """Format each route in two lines, for terminals that are too narrow for the table."""
    text = Text()
    for each in found:
        text.append(f"{each.methods} {each.path}\n", style="bold")
        text.append(f"    {each.summary} ({each.access})\n")
    text.rstrip()
    return text
