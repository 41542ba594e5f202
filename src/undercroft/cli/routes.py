"""`undercroft routes`: every route there is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from undercroft.cli._terminal import console

if TYPE_CHECKING:
    from undercroft.app.reference import RouteSummary


def routes(
    part: Annotated[str, typer.Argument(help="Show only paths that contain this.")] = "",
) -> None:
    """List every route with its methods, who may call it and what it is for."""
    from undercroft.app.api import load_admin_components, offline_app
    from undercroft.app.reference import list_routes

    # A served application imports its views at the first request for /admin; their errors show here.
    load_admin_components()
    found = [each for each in list_routes(offline_app()) if part in each.path]
    if not found:
        typer.echo(f"No route's path contains {part}.", err=True)
        raise typer.Exit(1)
    output = console()
    output.print(_table(found) if output.width >= _table_width(found) else _paragraphs(found))


def _table(found: "Sequence[RouteSummary]") -> Table:
    table = Table("methods", "path", "who", "what", box=None, header_style="bold")
    for each in found:
        table.add_row(each.methods, each.path, each.access, each.summary)
    return table


def _table_width(found: "Sequence[RouteSummary]") -> int:
    """How many columns the table needs to break no line, with a space on either side of each of its four cells."""
    cells = zip(*((each.methods, each.path, each.access, each.summary) for each in found), strict=True)
    return sum(max(map(len, column)) + 2 for column in cells)


def _paragraphs(found: "Sequence[RouteSummary]") -> Text:
    """Two lines for each route, for terminals that are too narrow for the table."""
    text = Text()
    for each in found:
        text.append(f"{each.methods} {each.path}\n", style="bold")
        text.append(f"    {each.summary} ({each.access})\n")
    text.rstrip()
    return text
