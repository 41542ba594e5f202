"""Adapters to outside services, and job engines, are looked up by the name that a setting contains.

A built-in adapter is a file of its package with a function `create`: `smtp` is `undercroft/providers/email/smtp.py`.
Others come from an extension's file `providers.py`, or from an entry point in a group with the name of the package:

    create_ses = Adapter("undercroft.providers.email", "ses", SesProvider)      # EMAIL_PROVIDER=ses
"""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msgspec import Struct

from undercroft.core.context import current_context
from undercroft.core.errors import ConfigurationError

__all__ = ["Adapter", "find_adapter"]

NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
_CREATE = re.compile(r"^(def create\(|create = )", re.MULTILINE)

Create = Callable[..., Any]


class Adapter(Struct, frozen=True):
    """An adapter of an extension. `kind` is the package of the built-in ones, `create` is like that of those."""

    kind: str
    name: str
    create: Create


class Adapters:
    """The adapters that an application's extensions declare. Raises `ValueError` if a name is taken."""

    def __init__(self, adapters: Iterable[Adapter] = ()) -> None:
        self.by_kind: dict[str, dict[str, Create]] = {}
        for each in adapters:
            known = self.by_kind.setdefault(each.kind, {})
            if each.name in known or each.name in _built_in_names(each.kind):
                raise ValueError(f"The adapter {each.name} of {each.kind} is declared twice.")
            known[each.name] = each.create


def find_adapter(kind: str, name: str, setting: str) -> Create:
    """Return the function that creates the adapter with this name. Raises `ConfigurationError` with the known names."""
    if name in _built_in_names(kind):
        return import_module(f"{kind}.{name}").create  # type: ignore[no-any-return]
    declared = (current_context().find(Adapters) or Adapters()).by_kind.get(kind, {})
    if name in declared:
        return declared[name]
    installed = {entry.name: entry for entry in entry_points(group=kind)}
    if name in installed:
        create: Create = installed[name].load()
        return create
    known = sorted({*_built_in_names(kind), *declared, *installed})
    close = get_close_matches(name, known, 1)
    hint = f"Did you mean {close[0]}? " if close else ""
    raise ConfigurationError(f"{setting}={name} is unknown. {hint}Available: {', '.join(known)}.")


@cache
def _built_in_names(kind: str) -> frozenset[str]:
    """Return the names of the files of a package that define `create`. Imports none of them."""
    spec = find_spec(kind)
    folders = map(Path, (spec and spec.submodule_search_locations) or ())
    files = (file for folder in folders for file in folder.glob("*.py"))
    return frozenset(file.stem for file in files if _CREATE.search(file.read_text(encoding="utf-8")))
