"""`undercroft add`: enable a built-in module."""

from typing import Annotated

import typer


def add(
    module: Annotated[str, typer.Argument(help="Name of an optional module, such as projects.")],
) -> None:
    """Enable an optional built-in module, and those that it needs, by removing them from DISABLED_MODULES."""
    from undercroft.app.optional_modules import require_optional, with_requirements
    from undercroft.app.project_lists import DISABLED_MODULES

    require_optional(module)
    disabled = DISABLED_MODULES.names
    if module not in disabled:
        typer.echo(f"{module} is enabled.")
        return
    added = with_requirements([module]).intersection(disabled)
    path = DISABLED_MODULES.write([each for each in disabled if each not in added])
    others = sorted(added - {module})
    needed = f", and {' and '.join(others)}, which it needs" if others else ""
    typer.echo(f"Enabled {module}{needed}, in {path.name}.")
    _print_migrations(added)


def _print_migrations(modules: frozenset[str]) -> None:
    """Print what `migrate upgrade` would run for these modules."""
    import asyncio

    from undercroft.app.migrations import histories
    from undercroft.cli._stack import attach_to_project
    from undercroft.core.db import DatabaseSettings
    from undercroft.core.db.migrations import get_statuses
    from undercroft.core.settings import load

    attach_to_project()
    own = [history for history in histories() if history.name in modules]
    url = load(DatabaseSettings).migration_url
    if url:
        statuses = asyncio.run(get_statuses(url, own))
        pending = [f"{status.history} {revision}" for status in statuses for revision in status.pending]
    else:
        pending = [f"{each.name} {file.stem}" for each in own for file in sorted(each.versions.glob("[0-9]*.py"))]
    for revision in pending:
        typer.echo(f"  {revision}")
    if pending:
        typer.echo("Create the tables with `undercroft migrate upgrade`, then restart servers and workers.")
    else:
        typer.echo("Restart servers and workers.")
