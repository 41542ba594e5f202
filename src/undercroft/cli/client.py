"""`undercroft client`: generate clients of the API."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from undercroft.core.http.application import Api

app = typer.Typer(help="Generate a typed TypeScript client, or request collections for editors.", no_args_is_help=True)
Version = Annotated[int | None, typer.Option("--version", help="The version of the API. Default: the newest.")]


@app.command("typescript")
def typescript(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the package.")] = Path("clients/typescript"),
    version: Version = None,
    check: Annotated[bool, typer.Option("--check", help="Only check that the package is up to date.")] = False,
) -> None:
    """Write an npm package with a typed client of this application, including its extensions.

    Replaces its folder `src`; all other files are created only if they do not exist.
    """
    from undercroft.app.explain import list_error_codes
    from undercroft.core.settings import CoreSettings, load
    from undercroft.scaffolding.client import check_client, write_client

    api, number = _load(version)
    document, codes = api.openapi(number), list_error_codes(api)
    if check:
        check_client(document, codes, number, output)
        typer.echo(f"{output} is up to date.")
        return
    changed = write_client(document, codes, number, output, load(CoreSettings).app_name)
    typer.echo(f"Wrote {output}." if changed else f"{output} is up to date.")


@app.command("http")
def http(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the files.")] = Path("clients/http"),
    version: Version = None,
    base_url: Annotated[
        str, typer.Option("--base-url", help="Value of the variable baseUrl.")
    ] = "http://localhost:8000",
) -> None:
    """Write one .http file per module with a request for each operation, for VS Code (REST Client) and JetBrains."""
    from undercroft.scaffolding.client import render_collections, write_collections

    api, number = _load(version)
    files = render_collections(api, number, base_url.rstrip("/"))
    write_collections(files, output)
    typer.echo(f"Wrote {len(files)} files to {output}.")


def _load(version: int | None) -> "tuple[Api, int]":
    """Return the application and the version. Raises `typer.BadParameter` for one that it does not have."""
    from undercroft.app.api import offline_app
    from undercroft.cli.openapi import require_version

    api = offline_app()
    return api, require_version(api, api.versions[-1] if version is None else version)
