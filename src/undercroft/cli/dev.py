"""`undercroft dev`: run the development stack."""

import time
from typing import Annotated

import typer

STARTED = time.monotonic()


def dev(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 exposes it to your network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535, envvar="PORT", help="Port.")] = 8000,
    reload: Annotated[bool, typer.Option("--reload/--no-reload", help="Restart when code changes.")] = True,
    emulators: Annotated[
        list[str] | None, typer.Option("--with", help="Also start the emulator of an external service: oidc.")
    ] = None,
) -> None:
    """Start PostgreSQL, Valkey, the API server and the worker with demo data. Ctrl-C stops everything."""
    from undercroft.devstack.options import Options
    from undercroft.devstack.supervisor import Supervisor

    Supervisor(Options(host=host, port=port, reload=reload, started=STARTED, emulators=tuple(emulators or ()))).run()
