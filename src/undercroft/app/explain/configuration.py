"""Describes settings, with the value in force and where it comes from."""

import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from undercroft.app.explain.description import Description, Facts, owner_of, without_empty
from undercroft.app.explain.sources import find_uses
from undercroft.app.reference import format_value, required_in_production
from undercroft.app.registry import get_registry
from undercroft.core.context import current_context
from undercroft.core.deprecations import RENAMED_SETTINGS
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import ENV_FILE, PROJECT_FILE, SettingsBase, env_name, load, read_project_settings
from undercroft.core.telemetry.origin import locate
from undercroft.core.telemetry.redaction import HIDDEN, clean_field

_URL_PASSWORD = re.compile(r"(://[^/\s:@]*):[^/\s@]*@")
UNSET, DEFAULT = "not set", "default"
_LIMITS = {"ge": "at least", "gt": "greater than", "le": "at most", "lt": "less than", "pattern": "matches"}


class RuntimeChanges(dict[str, str]):
    """Who changed which settings at runtime, a component of the context."""


class StackVariables(frozenset[str]):
    """The variables that the running `undercroft dev` set in this process, a component of the context."""


def describe_settings() -> Iterator[Description]:
    """Describe all settings, sorted by name."""
    found = [(env_name(declared, field), declared, field) for declared, field in _fields()]
    for name, declared, field in sorted(found, key=lambda each: each[0]):
        yield _describe(name, declared, field)


def _describe(name: str, declared: type[SettingsBase], field: str) -> Description:
    info = declared.model_fields[field]
    default = format_value(info.get_default(call_default_factory=True, validated_data={}))
    facts: Facts = {
        "module": owner_of(declared),
        "section": declared.section,
        "type": _describe_type(info),
        "default": HIDDEN if default and _is_secret(info) else default,
        "former_names": list(_former_names(name)),
        "required_in_production": name in required_in_production(declared) or None,
        "changeable_at_runtime": field in declared.runtime or None,
    }

    def inspect_setting() -> Facts:
        uses = find_uses(rf"\.{field}\b", mentioning=declared.__name__)
        return without_empty({**_find_value(name, declared, field), "used_in": uses})

    return Description(
        "setting",
        name,
        _locate_field(declared, field),
        info.description or "",
        without_empty(facts),
        _former_names(name),
        inspect_setting,
    )


def _find_value(name: str, declared: type[SettingsBase], field: str) -> Facts:
    """The value in force, hidden if it may be a secret, and its source."""
    source = next((found for each in (name, *_former_names(name)) if (found := find_source(each))), DEFAULT)
    try:
        value = getattr(load(declared), field)
    except ConfigurationError as error:
        return {"value": "invalid", "source": source, "error": str(error)}
    shown = format_value(value)
    if shown and (_is_secret(declared.model_fields[field]) or clean_field(field, shown) == HIDDEN):
        shown = HIDDEN
    return {"value": _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", shown) or UNSET, "source": source}


def _former_names(name: str) -> tuple[str, ...]:
    return tuple(former.upper() for former, present in RENAMED_SETTINGS.items() if present == name.lower())


def find_source(name: str) -> str:
    """Where a variable is set, in the order of `read_environ`; empty if it is not set, or is empty itself."""
    changes = current_context().find(RuntimeChanges)
    if changes is not None and name in changes:
        return changes[name]
    if name in (current_context().find(StackVariables) or ()):
        return "the running `undercroft dev`"
    if any(key.upper() == name and value for key, value in os.environ.items()):
        return "environment"
    path = Path(os.environ.get("UNDERCROFT_ENV_FILE", ENV_FILE))
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    assigned = re.compile(rf"\s*(?:export\s+)?{name}\s*=\s*\S", re.IGNORECASE)
    numbers = [number for number, line in enumerate(lines, 1) if assigned.match(line)]
    if numbers:
        return f"{path}:{numbers[-1]}"
    if name.lower() not in read_project_settings():
        return ""
    assigned = re.compile(rf"\s*{name}\s*=", re.IGNORECASE)
    lines = PROJECT_FILE.read_text(encoding="utf-8").splitlines()
    line = next((number for number, text in enumerate(lines, 1) if assigned.match(text)), 0)
    return f"{PROJECT_FILE}:{line}" if line else str(PROJECT_FILE)


def _is_secret(info: FieldInfo) -> bool:
    return info.annotation is SecretStr or SecretStr in get_args(info.annotation)


def _describe_type(info: FieldInfo) -> str:
    kind: Any = info.annotation
    if hasattr(kind, "__members__"):
        return " or ".join(str(each.value) for each in kind)
    limits = [
        f"{words} {getattr(each, limit)}"
        for each in info.metadata
        for limit, words in _LIMITS.items()
        if getattr(each, limit, None) is not None
    ]
    return ", ".join([describe_type(kind), *limits])


def describe_type(kind: Any) -> str:
    """A type, or a text with types, without the packages of the classes."""
    if kind is NoneType:
        return "None"
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return describe_type(arguments[0])
    if origin in (Union, UnionType):
        return " | ".join(map(describe_type, arguments))
    if origin not in (None, Literal):
        return f"{describe_type(origin)}[{', '.join(map(describe_type, arguments))}]"
    text = kind.__name__ if isinstance(kind, type) else str(kind).replace("Ellipsis", "...")
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)


def _locate_field(declared: type[SettingsBase], field: str) -> str:
    owner = next(each for each in declared.__mro__ if field in vars(each).get("__annotations__", {}))
    return _locate_fields(owner).get(field) or locate(owner)


@cache
def _locate_fields(owner: type) -> dict[str, str]:
    file, _, first = locate(owner).rpartition(":")
    lines = inspect.getsource(owner).splitlines()
    matches = ((number, re.match(r"\s+(\w+)\s*:", line)) for number, line in enumerate(lines, int(first)))
    found: dict[str, str] = {}
    for number, match in matches:
        if match:
            found.setdefault(match[1], f"{file}:{number}")
    return found


def state_settings(names: Iterable[str]) -> list[str]:
    """These settings with their values in force and their sources."""
    found = {env_name(declared, field): (declared, field) for declared, field in _fields()}
    values = {name: _find_value(name, *found[name]) for name in names}
    return [
        f"{name}={each['value']} ({each['source']})" if each["value"] != UNSET else f"{name} is not set"
        for name, each in values.items()
    ]


def list_settings() -> list[str]:
    """All settings with their values in force and their sources, by section. Secrets are hidden."""
    return state_settings(dict.fromkeys(env_name(declared, field) for declared, field in _fields()))


def settings_read_by(function: Callable[..., Any]) -> list[str]:
    """The settings that a function reads itself, as in `load(HttpSettings).rate_limit_app`."""
    names = function.__code__.co_names
    return [env_name(declared, field) for declared, field in _fields() if declared.__name__ in names and field in names]


def _fields() -> Iterator[tuple[type[SettingsBase], str]]:
    return ((declared, field) for declared in get_registry().settings_classes for field in declared.model_fields)
