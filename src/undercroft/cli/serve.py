"""`undercroft serve`: run the API server."""

from typing import Annotated, Literal

import typer


def serve(
    surface: Annotated[
        Literal["all", "public", "admin"],
        typer.Argument(help="The routes to serve: the public API, the admin API, or all."),
    ] = "all",
    host: Annotated[str | None, typer.Option(help="Address to listen on. Setting: HOST.")] = None,
    port: Annotated[int | None, typer.Option("--port", "-p", min=1, max=65535, help="Port. Setting: PORT.")] = None,
) -> None:
    """Run the API server until SIGTERM. Refuses to start with insecure production settings or an outdated schema."""
    from undercroft.app.server import serve as run

    run(surface, host, port)
