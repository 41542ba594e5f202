"""`undercroft check`: the rules that keep teams apart and transactions whole, read out of the source."""

from pathlib import Path
from typing import Annotated

import typer

from undercroft.core.errors import ConfigurationError


def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; `src` and `extensions` if left out.")
    ] = None,
) -> None:
    """Find queries on teams' rows outside their repositories, and what ends or spoils a transaction; exits with 1 then.

    It reads the source and imports nothing of it. A line may be allowed: `# undercroft: allow RULE because REASON`.
    """
    from undercroft.lint import check as find

    given = paths or [path for path in (Path("src"), Path("extensions")) if path.is_dir()]
    missing = [str(path) for path in given if not path.exists()]
    if missing or not given:
        raise ConfigurationError(f"There is no {missing[0] if missing else 'folder src or extensions here'}.")
    try:
        found = find(given)
    except SyntaxError as error:
        raise ConfigurationError(f"{error.filename}:{error.lineno}: this is not Python: {error.msg}.") from None
    for each in found:
        typer.echo(str(each))
    if found:
        typer.echo(f"{len(found)} to mend. Where it must be so: `# undercroft: allow RULE because REASON`.")
        raise typer.Exit(1)
    typer.echo("Teams are kept apart and transactions left whole.")
