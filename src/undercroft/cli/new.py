"""`undercroft new`: create a project."""

from pathlib import Path
from typing import Annotated

import typer

from undercroft.cli._run import command_names


def new(
    path: Annotated[Path, typer.Argument(help="The folder of the project: a new or empty one. Its name is the name.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Where the project gets Undercroft from: a folder with wheels, a wheel, a checkout, or a Git URL. "
            "Default: as this installation, or the package index.",
        ),
    ] = None,
) -> None:
    """Create a project that depends on Undercroft: settings, Makefile, tests, Dockerfile, CI and an empty extensions/.

    Changes nothing if the folder contains something.
    """
    from undercroft.scaffolding import create_project

    project = create_project(path, source, command_names())
    typer.echo(f"Created {project.folder}.")
    if project.source.path:
        typer.echo(f"It gets Undercroft from {project.source.path}, which only this machine has.")
        typer.echo("For colleagues, CI and Docker, use --from with a Git URL, or a version in an index.")
    typer.echo(f"Next: cd {path} && make dev")
