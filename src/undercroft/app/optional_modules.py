"""The built-in modules that DISABLED_MODULES may name, read from their source: a disabled module is not imported."""

import ast
from collections.abc import Collection
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from undercroft import modules as built_in
from undercroft.core.errors import ConfigurationError


def built_in_names() -> list[str]:
    """Return the names of all built-in modules, sorted."""
    return list(_find_packages(tuple(built_in.__path__)))


@cache
def _find_packages(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(info.name for info in iter_modules(folders) if info.ispkg))


@cache
def optional_modules() -> dict[str, tuple[str, ...]]:
    """Return the modules that are declared as `optional`, sorted, each with the modules that it requires."""
    declared = {name: read_declaration(_find_file(name)) for name in built_in_names()}
    return {name: each.get("requires", ()) for name, each in declared.items() if each.get("optional")}


def with_dependents(names: Collection[str]) -> frozenset[str]:
    """Return these modules and all optional ones that require one of them."""
    found, previous = frozenset(names), frozenset[str]()
    while found != previous:
        previous = found
        found |= {name for name, requires in optional_modules().items() if not found.isdisjoint(requires)}
    return found


def with_requirements(names: Collection[str]) -> frozenset[str]:
    """Return these modules and all modules that they need."""
    found = frozenset(names)
    needed = found.union(*(optional_modules().get(name, ()) for name in found))
    return found if needed == found else with_requirements(needed)


def require_optional(name: str) -> None:
    """Raise `ConfigurationError` if there is no module with this name, or if it is always enabled."""
    if name in optional_modules():
        return
    if name in built_in_names():
        raise ConfigurationError(f"{name} is always enabled.")
    close = get_close_matches(name, optional_modules(), 1)
    hint = f"Did you mean {close[0]}?" if close else f"Optional modules: {', '.join(optional_modules())}."
    raise ConfigurationError(f"There is no module {name}. {hint}")


def check_disabled(disabled: Collection[str]) -> None:
    """Raise `ConfigurationError` for a module that does not exist, is not optional or is required by an enabled one."""
    for name in disabled:
        if name not in optional_modules():
            raise ConfigurationError(f"DISABLED_MODULES contains {name}, {_explain_refusal(name)}")
    together = with_dependents(disabled)
    if missing := sorted(together.difference(disabled)):
        required = next(name for name in sorted(disabled) if name in optional_modules()[missing[0]])
        raise ConfigurationError(
            f"DISABLED_MODULES contains {required}, without which {', '.join(missing)} cannot run. "
            f"Disable all of them, DISABLED_MODULES={','.join(sorted(together))}, or remove {required}."
        )


def _explain_refusal(name: str) -> str:
    listed = f"Optional modules: {', '.join(optional_modules())}."
    if name in built_in_names():
        return f"without which Undercroft cannot run. Remove it. {listed}"
    close = get_close_matches(name, optional_modules(), 1)
    return f"which is not a module of Undercroft. {f'Did you mean {close[0]}?' if close else listed}"


def setting_names(modules: Collection[str]) -> set[str]:
    """Return the names of the settings that these modules would have, without importing them."""
    files = (file for name in modules if (file := _find_file(name).with_name("settings.py")).exists())
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    fields = (node.target for node in nodes if isinstance(node, ast.AnnAssign))
    return {field.id.upper() for field in fields if isinstance(field, ast.Name)}


def read_declaration(file: Path) -> dict[str, Any]:
    """Return the literal arguments of the declaration `MODULE = Module(…)` in this file, without importing it."""
    for node in ast.parse(file.read_text(encoding="utf-8"), filename=str(file)).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="MODULE")], value=ast.Call(keywords=keywords)):
                return {str(each.arg): ast.literal_eval(each.value) for each in keywords if _is_literal(each.value)}
    return {}


def _is_literal(value: ast.expr) -> bool:
    return not any(isinstance(node, ast.Name | ast.Call | ast.Attribute) for node in ast.walk(value))


def _find_file(name: str) -> Path:
    return next(file for folder in built_in.__path__ if (file := Path(folder, name, "__init__.py")).exists())
