"""`undercroft check`: static checks for tenant isolation and transaction handling."""

from pathlib import Path
from typing import Annotated

import typer

from undercroft import lint
from undercroft.core.errors import ConfigurationError


def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or directories. Default: `src` and `extensions`.")
    ] = None,
) -> None:
    """Check source code for tenant isolation and transaction handling. Exits with 1 if it finds a violation.

    Reports queries on tenant tables outside their repositories, and code that ends or breaks the request's transaction.
    The code is parsed, not imported. To allow a line: `# undercroft: allow RULE because REASON`.
    """
    given = paths or [path for path in (Path("src"), Path("extensions")) if path.is_dir()]
    missing = [str(path) for path in given if not path.exists()]
    if missing or not given:
        raise ConfigurationError(f"{missing[0]} does not exist." if missing else "No src or extensions directory here.")
    try:
        violations = lint.check(given)
    except SyntaxError as error:
        raise ConfigurationError(f"{error.filename}:{error.lineno}: syntax error: {error.msg}.") from None
    for violation in violations:
        typer.echo(str(violation))
    if violations:
        count = f"{len(violations)} violation{'s' * (len(violations) != 1)}"
        typer.echo(f"{count} found. To allow a line: `# undercroft: allow RULE because REASON`.")
        raise typer.Exit(1)
    typer.echo("No violations found.")
