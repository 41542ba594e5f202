"""Files that a command generates, with its options `--write` and `--check`."""

from collections.abc import Mapping
from pathlib import Path

import typer


def refuse_both(*, write: bool, check: bool) -> None:
    """Raise `typer.BadParameter` if both options are given."""
    if write and check:
        raise typer.BadParameter("--write and --check cannot be combined.")


def update_files(files: Mapping[Path, str], command: str, *, write: bool, check: bool) -> None:
    """Write the files, exit with 1 if one is outdated, or print the first. `command` is the one that writes them."""
    if not (write or check):
        typer.echo(next(iter(files.values())), nl=False)
        return
    for path, text in files.items():
        if write:
            path.write_text(text, encoding="utf-8")
            typer.echo(f"Wrote {path}.")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            typer.echo(f"{path} is outdated. Run `{command} --write`.", err=True)
            raise typer.Exit(1)
    if check:
        names = " and ".join(map(str, files))
        typer.echo(f"{names} {'is' if len(files) == 1 else 'are'} up to date.")
