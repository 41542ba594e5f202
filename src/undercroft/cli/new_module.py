"""`undercroft new-module`: add a built-in module to a checkout of Undercroft."""

from typing import Annotated

import typer


def new_module(
    name: Annotated[str, typer.Argument(help="The name: lowercase letters, digits and underscores.")],
    entity: Annotated[
        str | None, typer.Option("--entity", help="Singular name of its first entity. Default: the name of the module.")
    ] = None,
) -> None:
    """Create src/undercroft/modules/NAME and its tests, in a checkout of Undercroft. In a project, use new-extension.

    It has a table, migration, API, admin view, email, nightly job, page and settings. Overwrites nothing.
    """
    from undercroft.scaffolding import create_module

    module = create_module(name, entity)
    typer.echo(f"Created {module.folder} and {module.tests}. A running `undercroft dev` migrates and serves it at")
    typer.echo(module.path)
    typer.echo(f"Next: make fix check, and make test ARGS={module.tests}")
