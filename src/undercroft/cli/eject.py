"""`undercroft eject`: copy a template into the project as an override."""

from typing import Annotated

import typer
from rich.markup import escape

from undercroft.cli._stack import use_extensions
from undercroft.core.commands import console


def eject(
    name: Annotated[str, typer.Argument(help="An email or page, such as auth/verify or web/sign_in.html.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing override.")] = False,
    merged: Annotated[
        bool, typer.Option("--merged", help="State that the override contains the changes of the original.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare the overrides with the originals; exit with 1 if one needs attention."),
    ] = False,
) -> None:
    """Copy one template of a module into the project, where it overrides the original. Without a name, list all."""
    if check + merged + force > 1 or (check and name):
        raise typer.BadParameter("--check takes no name, and --check, --merged and --force cannot be combined.")
    if (force or merged) and not name:
        raise typer.BadParameter("Name a template, such as auth/verify.")
    use_extensions()
    if check:
        _check()
    elif name:
        _eject(name, force=force, merged=merged)
    else:
        _list()


def _eject(name: str, *, force: bool, merged: bool) -> None:
    from undercroft.app.overrides import eject, find_templates, mark_merged

    templates = find_templates(name)
    for path in mark_merged(templates) if merged else eject(templates, force=force):
        typer.echo(f"{path} is up to date." if merged else f"Wrote {path}.")


def _list() -> None:
    from undercroft.app.overrides import list_templates

    out = console()
    for each in list_templates():
        state = f"[dim]overridden by {escape(str(each.override))}[/]" if each.override.is_file() else ""
        out.print(f"{escape(each.qualified_name)} {state}".rstrip())


def _check() -> None:
    from undercroft.app.overrides import list_overrides

    found = list_overrides()
    out = console()
    for each in found:
        color = "yellow" if each.needs_attention else "green"
        out.print(f"[{color}]{each.status:<9}[/] {escape(str(each.path))}: {escape(each.message)}")
    if not found:
        typer.echo("The project overrides no template.")
    if any(each.needs_attention for each in found):
        raise typer.Exit(1)
