"""`undercroft routes`: every route there is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from undercroft.cli._terminal import console

if TYPE_CHECKING:
    from undercroft.app.reference import ListedRoute


def routes(
    part: Annotated[str, typer.Argument(help="Show only paths that contain this.")] = "",
) -> None:
    """List every route with its methods, who may call it and what it is for."""
    from undercroft.app.api import admin_parts, offline_app
    from undercroft.app.reference import listed_routes

    admin_parts()  # a served application imports its views at the first request for /admin; their errors show here
    found = [each for each in listed_routes(offline_app()) if part in each.path]
    if not found:
        typer.echo(f"No route's path contains {part}.", err=True)
        raise typer.Exit(1)
    output = console()
    output.print(_table(found) if output.width >= _widest(found) else _paragraphs(found))


def _table(found: "Sequence[ListedRoute]") -> Table:
    table = Table("methods", "path", "who", "what", box=None, header_style="bold")
    for each in found:
        table.add_row(each.methods, each.path, each.who, each.summary)
    return table


def _widest(found: "Sequence[ListedRoute]") -> int:
    """How many columns the table needs to break no line, with a space on either side of each of its four cells."""
    cells = zip(*((each.methods, each.path, each.who, each.summary) for each in found), strict=True)
    return sum(max(map(len, column)) + 2 for column in cells)


def _paragraphs(found: "Sequence[ListedRoute]") -> Text:
    """Two lines for each route, for terminals that are too narrow for the table."""
    text = Text()
    for each in found:
        text.append(f"{each.methods} {each.path}\n", style="bold")
        text.append(f"    {each.summary} ({each.who})\n")
    text.rstrip()
    return text
