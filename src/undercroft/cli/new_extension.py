"""`undercroft new-extension`: add an extension to a project."""

from typing import Annotated

import typer


def new_extension(
    name: Annotated[str, typer.Argument(help="The name: lowercase letters, digits and underscores.")],
    entity: Annotated[
        str | None,
        typer.Option("--entity", help="Singular name of its first entity. Default: the name of the extension."),
    ] = None,
) -> None:
    """Create extensions/NAME with a table, migration, API, admin view, email, nightly job, page, settings and tests.

    Enables it in pyproject.toml. Overwrites nothing.
    """
    from undercroft.scaffolding import create_extension

    extension = create_extension(name, entity)
    typer.echo(
        f"Created {extension.folder}. `make test` tests it. A running `undercroft dev` migrates and serves it at"
    )
    typer.echo(extension.path)
    if extension.to_do:
        typer.echo(extension.to_do)
