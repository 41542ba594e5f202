"""`undercroft map`: print everything that the application consists of."""

import json
from pathlib import Path
from typing import Annotated

import typer

from undercroft.cli._stack import use_extensions


def map(  # noqa: A001 - the name of the command
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this file instead of standard output.")
    ] = None,
) -> None:
    """Print all routes, tables, tasks, events, settings, permissions, templates, errors and modules as JSON.

    The document is made for programs and coding agents, and is in a stable order. `undercroft explain` shows one entry.
    """
    from undercroft.app.api import offline_app
    from undercroft.app.explain import build_map

    use_extensions()
    text = json.dumps(build_map(offline_app()), indent=1, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {out}.")
