"""`undercroft openapi`: print the OpenAPI schema."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undercroft.cli._stack import use_extensions

if TYPE_CHECKING:
    from undercroft.core.http.application import Api


def openapi(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this file instead of standard output.")
    ] = None,
    version: Annotated[int, typer.Option("--version", help="The version of the API.")] = 1,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Print only what lacks a description or an example, and unions in responses; fail if there is any.",
        ),
    ] = False,
) -> None:
    """Print the OpenAPI 3.1 schema of the whole API, in one of its versions."""
    from undercroft.app.api import offline_app
    from undercroft.core.http.openapi.coverage import find_gaps

    use_extensions()
    app = offline_app()
    if check:
        gaps = dict.fromkeys(gap for each in app.versions for gap in find_gaps(app.openapi(each)))
        typer.echo("\n".join(gaps) or "Everything has a description, and every body an example.")
        raise typer.Exit(bool(gaps))
    document = app.openapi(require_version(app, version))
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    typer.echo(f"Wrote {out}.")


def require_version(app: "Api", version: int) -> int:
    """Return the version. Raises `typer.BadParameter` for one that the application does not have."""
    if version not in app.versions:
        known = ", ".join(map(str, app.versions))
        raise typer.BadParameter(f"The API has no version {version}. Versions: {known}.", param_hint="--version")
    return version
