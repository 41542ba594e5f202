"""`undercroft explain`: show everything about one thing."""

import json
import os
import sys
import textwrap
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from undercroft.cli._stack import attach, disabled_modules, use_extensions
from undercroft.core.commands import console
from undercroft.core.errors import AppError, ConfigurationError

if TYPE_CHECKING:
    from undercroft.app.explain import Description, Fact, Reference
    from undercroft.core.context import AppContext

LABEL_WIDTH = 24
SHORT = 56
"""Width of a list that is printed in one line if the output has no width of its own."""


def explain(
    thing: Annotated[
        list[str],
        typer.Argument(
            help="A path with or without a method, as in GET /api/v1/app/projects; or the name of a setting, task, "
            "event, hook point, service, permission, email, page, admin view, error, audit action, rate limit, table, "
            "module or extension.",
            metavar="THING...",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what serves, limits, uses and overrides one thing, with file and line."""
    from undercroft.app.api import offline_app
    from undercroft.app.explain import StackVariables, find_similar
    from undercroft.app.explain import explain as find

    text, before = " ".join(thing).strip(), frozenset(os.environ)
    if not text:
        raise typer.BadParameter("Name a thing, such as GET /api/v1/app/projects.")
    attach()
    use_extensions()
    app = offline_app()
    app.context.add(StackVariables, StackVariables(frozenset(os.environ) - before))
    _add_runtime_changes(app.context, text)
    found = find(app, text)
    if not found:
        similar = find_similar(app, text)
        hint = f"Similar: {', '.join(similar)}." if similar else "`undercroft map` lists everything."
        typer.echo(f"Nothing is called {text}. {hint}", err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps([each.export() for each in found], indent=2, ensure_ascii=False))
        return
    out = console()
    for index, each in enumerate(found):
        out.print(_render(each, out.width if sys.stdout.isatty() else 0, first=index == 0), end="")


def _add_runtime_changes(context: "AppContext", name: str) -> None:
    """Apply what administrators changed, if the name is that of such a setting and the database is available."""
    from undercroft.app.explain import RuntimeChanges
    from undercroft.core.context import use_context
    from undercroft.core.runtime_settings import apply_values, runtime_settings

    with use_context(context):
        if name.upper() not in runtime_settings() or "system_settings" in disabled_modules():
            return
    from undercroft.cli._database import with_database
    from undercroft.modules.system_settings import list_changes

    with suppress(ConfigurationError, AppError), use_context(context):
        changes = with_database(list_changes)
        apply_values({changed: value for changed, (value, _) in changes.items()})
        context.add(RuntimeChanges, RuntimeChanges({changed: note for changed, (_, note) in changes.items()}))


def _render(description: "Description", width: int, *, first: bool) -> Text:
    text = Text() if first else Text("\n")
    text.append(description.name, style="bold")
    text.append(f"  {description.kind}\n", style="dim")
    for line in (description.location, *_wrap(description.summary, width and width - 2)):
        text.append(f"  {line}\n" if line else "")
    for name, fact in description.facts.items():
        for index, line in enumerate(_format(fact, width and width - LABEL_WIDTH - 2)):
            label = name.replace("_", " ") if index == 0 else ""
            text.append(f"  {label:<{LABEL_WIDTH}}", style="dim")
            text.append(f"{line}\n")
    return text


def _format(fact: "Fact", width: int) -> list[str]:
    if isinstance(fact, bool):
        return ["yes" if fact else "no"]
    if not isinstance(fact, list):
        return _wrap(str(fact), width)
    lines = [line for each in fact for line in _format_item(each, width)]
    joined = ", ".join(lines)
    return [joined] if len(joined) <= (width or SHORT) and not any("/" in line for line in lines) else lines


def _format_item(item: "str | Reference", width: int) -> list[str]:
    if isinstance(item, str):
        return _wrap(item, width)
    line = f"{item.location}  {item.name}"
    return [line] if not width or len(line) <= width else [item.name, f"  {item.location}"]


def _wrap(text: str, width: int) -> list[str]:
    """Wrap at spaces only, so that a `FILE:LINE` stays in one piece; not at all if the width is 0."""
    if not width:
        return text.splitlines() or [""]
    lines = (textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) for line in text.splitlines())
    return [line for each in lines for line in each] or [""]
