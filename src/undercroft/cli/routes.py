"""`undercroft routes`: every route there is."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def routes(
    q: Annotated[str, typer.Argument(help="Show only paths that contain this.")] = "",
) -> None:
    """List every route with its methods, who may call it and what it is for."""
    from undercroft.app.api import offline_app
    from undercroft.app.reference import listed_routes

    table = Table("methods", "path", "who", "what", box=None, header_style="bold")
    for each in listed_routes(offline_app()):
        if q in each.path:
            table.add_row(each.methods, each.path, each.who, each.summary)
    Console(highlight=False, soft_wrap=True).print(table)
