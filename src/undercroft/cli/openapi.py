"""`undercroft openapi`: print the OpenAPI schema."""

import json
from pathlib import Path
from typing import Annotated

import typer


def openapi(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this file instead of standard output.")
    ] = None,
) -> None:
    """Print the OpenAPI 3.1 schema of the whole API."""
    from undercroft.app.api import offline_app

    text = json.dumps(offline_app().openapi(), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {out}.")
