"""A new project: a few files that depend on Undercroft, and no copy of its code."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct
from slugify import slugify

from undercroft import __version__
from undercroft.core.errors import ConfigurationError
from undercroft.scaffolding.agents import agents_values
from undercroft.scaffolding.rendering import render, write
from undercroft.scaffolding.source import PACKAGE, Source, parse_source

MAX_LENGTH = 50


class CreatedProject(Struct, frozen=True):
    """A project, and where its Undercroft comes from."""

    folder: Path
    source: Source


def create_project(path: Path, source: str | None, commands: Iterable[str]) -> CreatedProject:
    """Create a project in a new or empty folder. `commands` are the names of the commands, for AGENTS.md.

    Raises `ConfigurationError` if the folder contains something, or for an invalid name or source.
    """
    folder = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - does not follow a link, which is refused
    name = _check_name(folder.name)
    _require_empty(folder)
    found = parse_source(source)
    values = {
        "project": name,
        "title": name.replace("-", " ").replace("_", " ").capitalize(),
        "version": f">={__version__}",
        "source": found.source,
        "wheels": found.wheels,
        "git": found.uses_git,
    }
    write(render("project", values) | render("agents", agents_values(commands)), folder)
    return CreatedProject(folder, found)


def _check_name(name: str) -> str:
    if re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name) and len(name) <= MAX_LENGTH and name != PACKAGE:
        return name
    rule = f"lowercase letters, digits and hyphens, at most {MAX_LENGTH} characters, but not {PACKAGE}"
    suggestion = slugify(name, max_length=MAX_LENGTH).lstrip("0123456789-")
    hint = f" For example: undercroft new {suggestion}" if suggestion and suggestion != PACKAGE else ""
    raise ConfigurationError(f"{name!r} cannot be the name of a project: use {rule}.{hint}")


def _require_empty(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigurationError(f"{folder} exists and is not a folder. Choose another path.")
    found = [each.name for each in folder.iterdir() if each.name != ".git"] if folder.is_dir() else []
    if found:
        raise ConfigurationError(f"{folder} contains {min(found)}. Choose an empty folder or a new path.")
