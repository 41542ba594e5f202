"""`undercroft console`: build the web console, in a checkout of Undercroft."""

from typing import Annotated

import typer

app = typer.Typer(help="Build the web console, in a checkout of Undercroft.", no_args_is_help=True)


@app.command("build")
def build() -> None:
    """Build the console from `console/` into the package. Installs its packages first, if needed."""
    from undercroft.scaffolding.console import TARGET, build_console

    typer.echo("Building the console …", err=True)
    build_console()
    typer.echo(f"Wrote {TARGET}.")


@app.command("check")
def check(
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Also check types and style, run the unit tests and build it again.")
    ] = False,
) -> None:
    """Check that the console in the package was built from these sources."""
    from undercroft.scaffolding.console import check_console

    check_console(thorough=thorough)
    typer.echo("The built console is up to date.")


@app.command("dev")
def dev(
    api: Annotated[str, typer.Option("--api", help="Address of a running `undercroft dev`.")] = "http://localhost:8000",
) -> None:
    """Serve the console with hot reload at http://localhost:3000/app, in front of a running `undercroft dev`."""
    from undercroft.scaffolding.console import serve_console

    raise typer.Exit(serve_console(api))
