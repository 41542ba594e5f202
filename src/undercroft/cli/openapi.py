"""`undercroft openapi`: print the OpenAPI schema."""

import json
from pathlib import Path
from typing import Annotated

import typer

from undercroft.cli._stack import use_extensions


def openapi(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this file instead of standard output.")
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Print only what lacks a description or an example, and unions in responses; fail if there is any.",
        ),
    ] = False,
) -> None:
    """Print the OpenAPI 3.1 schema of the whole API."""
    from undercroft.app.api import offline_app
    from undercroft.core.http.openapi.coverage import find_gaps

    use_extensions()
    document = offline_app().openapi()
    if check:
        gaps = list(find_gaps(document))
        typer.echo("\n".join(gaps) or "Everything has a description, and every body an example.")
        raise typer.Exit(bool(gaps))
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {out}.")
