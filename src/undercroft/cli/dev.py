"""`undercroft dev`: everything a developer needs, by one command."""

import time
from typing import Annotated

import typer

STARTED = time.monotonic()


def dev(
    host: Annotated[str, typer.Option(help="Another address lets others on your network in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535, envvar="PORT", help="Where to serve.")] = 8000,
    reload: Annotated[bool, typer.Option("--reload/--no-reload", help="Restart when the code changes.")] = True,
    emulators: Annotated[
        list[str] | None, typer.Option("--with", help="Also start an emulator of an outside service: oidc.")
    ] = None,
) -> None:
    """Start PostgreSQL, Valkey, the API and the worker here, with demo data; Ctrl-C stops them all."""
    from undercroft.devstack.supervisor import Options, Supervisor

    Supervisor(Options(host=host, port=port, reload=reload, started=STARTED, emulators=tuple(emulators or ()))).run()
