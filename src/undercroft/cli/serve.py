"""`undercroft serve`: run the API server."""

from enum import StrEnum
from typing import Annotated

import typer


class Surface(StrEnum):
    ALL = "all"
    PUBLIC = "public"
    ADMIN = "admin"


def serve(
    surface: Annotated[
        Surface, typer.Argument(help="The routes to serve: the public API, the admin API, or all.")
    ] = Surface.ALL,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Setting: HOST.")] = None,
    port: Annotated[int | None, typer.Option("--port", "-p", min=1, max=65535, help="Port. Setting: PORT.")] = None,
) -> None:
    """Run the API server until SIGTERM. Refuses to start with insecure production settings or an outdated schema."""
    from undercroft.app.server import serve as run

    run(surface.value, host, port)
