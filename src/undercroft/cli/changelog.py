"""`undercroft changelog`: the changes of each release."""

from pathlib import Path
from typing import Annotated

import typer

from undercroft.cli._generated import refuse_both, update_files


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

    refuse_both(write=write, check=check)
    if settings:
        typer.echo(render_settings(), nl=False)
        return
    documents = {Path(name): text for name, text in render_documents().items()}
    update_files(documents, "undercroft changelog", write=write, check=check)
