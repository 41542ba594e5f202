"""`undercroft serve`: the server for production."""

from enum import StrEnum
from typing import Annotated

import typer


class Surface(StrEnum):
    ALL = "all"
    PUBLIC = "public"
    ADMIN = "admin"


def serve(
    surface: Annotated[
        Surface, typer.Argument(help="What to serve: the public API, the admin API, or all.")
    ] = Surface.ALL,
    host: Annotated[str | None, typer.Option(help="The address to listen on; HOST.")] = None,
    port: Annotated[int | None, typer.Option("--port", "-p", min=1, max=65535, help="The port; PORT.")] = None,
) -> None:
    """Serve the API until SIGTERM; refuses weak production settings and an old schema."""
    import gc

    gc.disable()  # a start makes no garbage worth looking for, a sixth of its time; the application turns it on again
    from undercroft.app.server import serve as run

    run(surface.value, host, port)
