"""`undercroft public-api`: the names that modules and extensions may import."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from undercroft.cli._generated import refuse_both
from undercroft.lint.extension_imports import public_modules, public_names

if TYPE_CHECKING:
    from undercroft.core.deprecations import DeprecatedName

SNAPSHOT = Path("docs/public_api.txt")
_LINE = re.compile(r"(?P<name>\S+)(  # UC\d+: .* removed in (?P<removal>[\d.]+))?")


def public_api(
    write: Annotated[bool, typer.Option("--write", help=f"Write {SNAPSHOT} instead of printing.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help=f"Exit with 1 if {SNAPSHOT} is out of date, or a name was removed too early."),
    ] = False,
) -> None:
    """Print every public name of Undercroft, those in `__all__` of its public packages, and which are deprecated.

    A name is removed only after releases that deprecate it: neither `--check` nor `--write` accepts it earlier.
    """
    refuse_both(write=write, check=check)
    lines = _list_names()
    if not (write or check):
        typer.echo("\n".join(lines))
        return
    known = SNAPSHOT.read_text(encoding="utf-8").splitlines() if SNAPSHOT.exists() else []
    _refuse([*_find_early_removals(known, lines), *find_expired()])
    if write:
        SNAPSHOT.write_text("\n".join([*lines, ""]), encoding="utf-8")
        typer.echo(f"Wrote {SNAPSHOT}.")
    elif changed := sorted({*lines}.symmetric_difference(known)):
        _refuse([f"{SNAPSHOT} is out of date: {', '.join(changed)}. Run `undercroft public-api --write`."])
    else:
        typer.echo(f"All {len(lines)} public names are unchanged.")


def _refuse(errors: list[str]) -> None:
    for error in errors:
        typer.echo(error, err=True)
    if errors:
        raise typer.Exit(1)


def _list_names() -> list[str]:
    from undercroft.core.deprecations import DEPRECATIONS

    deprecated = {each.name: _annotate(each) for each in DEPRECATIONS}
    names = sorted(f"{module}.{name}" for module in public_modules() for name in public_names(module))
    return [f"{name}{deprecated.get(name, '')}" for name in names]


def _annotate(deprecation: "DeprecatedName") -> str:
    return f"  # {deprecation.code}: deprecated since {deprecation.since}, removed in {deprecation.removal}"


def _find_early_removals(known: list[str], lines: list[str]) -> list[str]:
    present = {line.partition(" ")[0] for line in lines}
    matches = [match for line in known if (match := _LINE.fullmatch(line)) and match["name"] not in present]
    return [
        f"{match['name']} was removed, but "
        + (f"is to work until {match['removal']}. " if match["removal"] else "no release deprecated it. ")
        + "Extensions may use it: restore it, and add it to DEPRECATIONS in core/deprecations.py. If no release had "
        f"it, delete its line from {SNAPSHOT}."
        for match in matches
        if not (match["removal"] and _is_reached(match["removal"]))
    ]


def find_expired() -> list[str]:
    """Return one sentence for each deprecated thing that this release should no longer have."""
    from undercroft.core.deprecations import DEPRECATIONS

    return [
        f"{each.code}: {each.name} was to be removed in {each.removal}. Remove it, also from DEPRECATIONS in "
        "core/deprecations.py."
        for each in DEPRECATIONS
        if _is_reached(each.removal)
    ]


def _is_reached(release: str) -> bool:
    """Whether this is the release or a later one."""
    from packaging.version import Version

    from undercroft import __version__

    return Version(__version__).release >= Version(release).release
