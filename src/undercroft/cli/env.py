"""`undercroft env`: list all settings."""

import os
from pathlib import Path
from typing import Annotated

import typer

from undercroft.cli._generated import update_files
from undercroft.cli._stack import attach, use_extensions

EXAMPLE = Path(".env.example")


def env(
    write: Annotated[bool, typer.Option("--write", help=f"Write {EXAMPLE} instead of printing.")] = False,
    check: Annotated[bool, typer.Option("--check", help=f"Exit with 1 if {EXAMPLE} is outdated.")] = False,
    values: Annotated[
        bool, typer.Option("--values", help="Print the configured values with their sources; secrets are hidden.")
    ] = False,
) -> None:
    """Print every setting with its description and default in `.env` format.

    Printing includes the extensions of a running `undercroft dev`; the file depends only on the configuration.
    """
    from undercroft.app.reference import render_env_example

    if write + check + values > 1:
        raise typer.BadParameter("--write, --check and --values cannot be combined.")
    if values:
        _print_values()
        return
    if not (write or check):
        use_extensions()
    update_files({EXAMPLE: render_env_example()}, "undercroft env", write=write, check=check)


def _print_values() -> None:
    from undercroft.app.explain import StackVariables, list_settings
    from undercroft.core.context import current_context

    before = frozenset(os.environ)
    attach()
    use_extensions()
    current_context().add(StackVariables, StackVariables(frozenset(os.environ) - before))
    for line in list_settings():
        typer.echo(line)
