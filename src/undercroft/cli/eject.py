"""`undercroft eject`: copy a template or a method of a service into the project as an override."""

from typing import Annotated

import typer
from rich.markup import escape

from undercroft.cli._stack import use_extensions
from undercroft.core.commands import console


def eject(
    name: Annotated[
        str,
        typer.Argument(
            help="An email or page, such as auth/verify or web/sign_in.html, or a method, such as TeamService.create."
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing override of a template.")] = False,
    merged: Annotated[
        bool, typer.Option("--merged", help="State that the override contains the changes of the original.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare the overrides with the originals; exit with 1 if one needs attention."),
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List all templates and services.")] = False,
    extension: Annotated[
        str, typer.Option(help="Extension that gets the copy of a method, if the project has several.")
    ] = "",
) -> None:
    """Copy one template, or one method of a service, into the project, where it overrides the original.

    Without a name, list all. A method is copied into `overrides.py` of an extension.
    """
    from undercroft.app.service_copies import names_a_service

    if check + merged + force + listed > 1 or ((check or listed) and name):
        raise typer.BadParameter(
            "--check and --list take no name, and --check, --list, --merged and --force cannot be combined."
        )
    if (force or merged) and not name:
        raise typer.BadParameter("Name a template, such as auth/verify.")
    use_extensions()
    if check:
        _check()
    elif name and names_a_service(name):
        if force:
            raise typer.BadParameter("--force replaces templates. Delete the method to copy it again.")
        _eject_method(name, extension, merged=merged)
    elif name:
        _eject(name, force=force, merged=merged)
    else:
        _list()


def _eject(name: str, *, force: bool, merged: bool) -> None:
    from undercroft.app.overrides import eject, find_templates, mark_merged

    templates = find_templates(name)
    for path in mark_merged(templates) if merged else eject(templates, force=force):
        typer.echo(f"{path} is up to date." if merged else f"Wrote {path}.")


def _eject_method(name: str, extension: str, *, merged: bool) -> None:
    from undercroft.app.service_copies import choose_extension, find_method, mark_method_merged, write_override
    from undercroft.core.settings import CoreSettings, load

    method = find_method(name)
    if merged:
        for path in mark_method_merged(method):
            typer.echo(f"The copy in {path} is up to date.")
        return
    folder = choose_extension(extension)
    path, copy = write_override(method, folder)
    typer.echo(f"Wrote {method.qualified_name} into {path}.")
    if copy.private:
        typer.echo(
            f"It uses private names, which may change in each release: {', '.join(copy.private)}. To avoid them, call "
            f"super().{method.name}(…) and change its arguments or its result. `undercroft eject --check` reports when "
            "the original changes."
        )
    if folder.name not in load(CoreSettings).enabled_extensions:
        typer.echo(f"Enable the extension: `undercroft extension enable {folder.name}`.")


def _list() -> None:
    from undercroft.app.overrides import list_templates
    from undercroft.app.service_copies import list_service_names

    out = console()
    for each in list_templates():
        state = f"[dim]overridden by {escape(str(each.override))}[/]" if each.override.is_file() else ""
        out.print(f"{escape(each.qualified_name)} {state}".rstrip())
    for name in list_service_names():
        out.print(f"{name}  [dim]one method: undercroft eject {name.partition('.')[2]}.METHOD[/]")


def _check() -> None:
    from undercroft.app.overrides import list_overrides

    found = list_overrides()
    out = console()
    for each in found:
        color = "yellow" if each.needs_attention else "green"
        out.print(f"[{color}]{each.status:<9}[/] {escape(str(each.path))}: {escape(each.message)}")
    if not found:
        typer.echo("The project overrides no template, and has no copy of a method.")
    if any(each.needs_attention for each in found):
        raise typer.Exit(1)
