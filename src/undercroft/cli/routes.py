"""`undercroft routes`: every route there is."""

from typing import Annotated

import typer
from rich.table import Table

from undercroft.cli._terminal import console


def routes(
    part: Annotated[str, typer.Argument(help="Show only paths that contain this.")] = "",
) -> None:
    """List every route with its methods, who may call it and what it is for."""
    from undercroft.app.api import offline_app
    from undercroft.app.reference import listed_routes

    found = [each for each in listed_routes(offline_app()) if part in each.path]
    if not found:
        typer.echo(f"No route's path contains {part}.", err=True)
        raise typer.Exit(1)
    table = Table("methods", box=None, header_style="bold")
    for heading in ("path", "who", "what"):
        table.add_column(heading, overflow="fold")
    for each in found:
        table.add_row(each.methods, each.path, each.who, each.summary)
    console().print(table)
