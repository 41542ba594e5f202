"""`undercroft changelog`: the changes of each release."""

from pathlib import Path
from typing import Annotated

import typer


def changelog(
    write: Annotated[
        bool, typer.Option("--write", help="In the repository: write CHANGELOG.md and docs/upgrading.md.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if one of these files is outdated.")] = False,
    settings: Annotated[
        bool, typer.Option("--settings", help="Print the defaults of the settings for [release.settings].")
    ] = False,
) -> None:
    """Print what changed in each release of Undercroft, newest first."""
    from undercroft.app.upgrade.documents import render_documents, render_settings

    if write and check:
        raise typer.BadParameter("--write and --check cannot be combined.")
    if settings:
        typer.echo(render_settings(), nl=False)
        return
    documents = {Path(name): text for name, text in render_documents().items()}
    if not write and not check:
        typer.echo(next(iter(documents.values())), nl=False)
        return
    for path, text in documents.items():
        if write:
            path.write_text(text, encoding="utf-8")
            typer.echo(f"Wrote {path}.")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            typer.echo(f"{path} is outdated. Run `undercroft changelog --write`.", err=True)
            raise typer.Exit(1)
    if check:
        typer.echo(f"{' and '.join(map(str, documents))} are up to date.")
