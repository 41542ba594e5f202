"""References generated from what is declared: settings as a `.env.example`, routes as a list."""

import textwrap
from collections.abc import Iterator
from enum import Enum
from itertools import groupby
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from msgspec import Struct
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from undercroft.app.discovery import list_settings_classes
from undercroft.core.http import dependency_calls
from undercroft.core.http.guards import SIGNED_IN
from undercroft.core.settings import SettingsBase, env_name

HEADER = """\
# Every setting with its default, written by `undercroft env --write`. Copy what you change to .env,
# or set it in the environment, which wins. Development needs none of them.
#
# Production does not start before these are set:
"""


class RouteSummary(Struct, frozen=True):
    """One route as a person wants to read it."""

    methods: str
    path: str
    access: str
    summary: str


def list_routes(app: FastAPI) -> list[RouteSummary]:
    """Every route of an application, by path."""
    found = [
        RouteSummary(", ".join(sorted(route.methods or ())), route.path_format, _access(route), route.summary or "")
        for route in app.router.routes
        if isinstance(route, APIRoute)
    ]
    return sorted(found, key=lambda each: (each.path, each.methods))


def _access(route: APIRoute) -> str:
    """What a caller needs, read off the route's own guards."""
    needs = {getattr(call, "needs", None) for call in dependency_calls(route)} - {None}
    stronger = needs - {SIGNED_IN}
    return ", ".join(sorted(map(str, stronger or needs))) or "anybody"


def render_env_example() -> str:
    """All settings by section, commented out, each with its description and default; what must be set comes first."""
    declared = sorted(list_settings_classes(), key=lambda each: not _required_in_production(each))
    musts = "".join(f"#   {must}\n" for each in declared for must in _required_in_production(each))
    sections = groupby(declared, key=lambda each: each.section or each.__name__)
    return f"{HEADER}{musts}" + "".join(
        f"\n# --- {name} ---\n" + "".join(_describe_settings(each) for each in group) for name, group in sections
    )


def _required_in_production(declared: type[SettingsBase]) -> list[str]:
    """What production still wants of somebody who has set nothing."""
    nothing_set = declared.model_construct()
    return [error.split()[0] for error in nothing_set.production_errors()]


def _describe_settings(declared: type[SettingsBase]) -> str:
    lines: list[str] = []
    for name, field in declared.model_fields.items():
        lines += [*_comment_lines(field), f"# {env_name(declared, name)}={_format_default(field)}"]
    return "\n".join([*lines, ""])


def _comment_lines(field: FieldInfo) -> Iterator[str]:
    if field.description:
        yield ""
        yield from (f"# {line}" for line in textwrap.wrap(field.description, 100))


def _format_default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
