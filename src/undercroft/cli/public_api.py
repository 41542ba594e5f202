"""`undercroft public-api`: the names that modules and extensions may import."""

from pathlib import Path
from typing import Annotated

import typer

from undercroft.lint.extension_imports import public_modules, public_names

SNAPSHOT = Path("docs/public_api.txt")


def public_api(
    write: Annotated[bool, typer.Option("--write", help=f"Write {SNAPSHOT} instead of printing.")] = False,
    check: Annotated[bool, typer.Option("--check", help=f"Exit with 1 if a name of {SNAPSHOT} is missing.")] = False,
) -> None:
    """Print every public name of Undercroft: those in `__all__` of its public packages."""
    if write and check:
        raise typer.BadParameter("--write and --check cannot be combined.")
    names = sorted(f"{module}.{name}" for module in public_modules() for name in public_names(module))
    if check:
        _check(names)
    elif write:
        SNAPSHOT.write_text("\n".join([*names, ""]), encoding="utf-8")
        typer.echo(f"Wrote {SNAPSHOT}.")
    else:
        typer.echo("\n".join(names))


def _check(names: list[str]) -> None:
    known = SNAPSHOT.read_text(encoding="utf-8").split() if SNAPSHOT.exists() else []
    if missing := sorted(set(known) - set(names)):
        typer.echo(f"These public names were removed: {', '.join(missing)}.", err=True)
        typer.echo("Extensions may use them: restore them, or run `undercroft public-api --write`.", err=True)
        raise typer.Exit(1)
    if added := sorted(set(names) - set(known)):
        typer.echo(f"{SNAPSHOT} lacks {', '.join(added)}. Run `undercroft public-api --write`.", err=True)
        raise typer.Exit(1)
    typer.echo(f"All {len(names)} public names are unchanged.")
