"""What an application consists of, read from its registry: one thing (`explain`), or everything (`build_map`)."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from itertools import chain
from typing import Any

import undercroft
from undercroft.app.explain.admin_views import describe_admin_views, find_admin_views
from undercroft.app.explain.configuration import (
    RuntimeChanges,
    StackVariables,
    describe_settings,
    list_settings,
)
from undercroft.app.explain.declarations import (
    describe_audit_actions,
    describe_errors,
    describe_events,
    describe_hook_points,
    describe_modules,
    describe_permissions,
    describe_rate_limits,
    describe_tables,
    describe_tasks,
)
from undercroft.app.explain.description import Description, Fact, Reference
from undercroft.app.explain.routes import describe_routes, find_routes
from undercroft.app.explain.services import describe_services
from undercroft.app.explain.templates import describe_templates
from undercroft.core.context import use_context
from undercroft.core.errors import ConfigurationError
from undercroft.core.http.application import Api

__all__ = [
    "Description",
    "Fact",
    "Reference",
    "RuntimeChanges",
    "StackVariables",
    "build_map",
    "describe_all",
    "explain",
    "find_similar",
    "list_error_codes",
    "list_settings",
]


DESCRIBERS: tuple[Callable[[Api], Iterator[Description]], ...] = (
    lambda _: describe_modules(),
    describe_routes,
    lambda _: describe_admin_views(),
    lambda _: describe_services(),
    lambda _: describe_tables(),
    lambda _: describe_tasks(),
    lambda _: describe_events(),
    lambda _: describe_hook_points(),
    lambda _: describe_settings(),
    describe_permissions,
    lambda _: describe_templates(),
    describe_errors,
    describe_audit_actions,
    describe_rate_limits,
)


def describe_all(app: Api) -> Iterator[Description]:
    """Describe everything that an application has."""
    return chain.from_iterable(describe(app) for describe in DESCRIBERS)


def explain(app: Api, text: str) -> list[Description]:
    """Describe what has this name: a path with or without a method, or a name in any case. Several may have it.

    Raises `ConfigurationError` if nothing was found and settings are invalid.
    """
    with use_context(app.context):
        routes = find_routes(app, text)
        found = _find(app, text.strip().lower()) if routes is None else [*routes, *find_admin_views(text)]
        return [each.complete() for each in found]


def _find(app: Api, name: str) -> list[Description]:
    """Raises `ConfigurationError` only if nothing was found: an invalid setting may be what is sought."""
    found, errors = list[Description](), list[ConfigurationError]()
    for describe in DESCRIBERS:
        try:
            found += [each for each in describe(app) if name in _names(each)]
        except ConfigurationError as error:
            errors.append(error)
    if errors and not found:
        raise errors[0]
    return found


def find_similar(app: Api, text: str) -> list[str]:
    """Names that are similar to a text or contain it, at most eight."""
    known: dict[str, str] = {}
    with use_context(app.context):
        for describe in DESCRIBERS:
            with suppress(ConfigurationError):
                known |= {name.lower(): name for each in describe(app) for name in (each.name, *each.aliases)}
    wanted = text.strip().lower()
    similar = get_close_matches(wanted, known, 5, 0.6)
    containing = sorted((name for name in known if wanted in name), key=len)
    return [known[name] for name in dict.fromkeys([*similar, *containing])][:8]


def list_error_codes(app: Api) -> list[str]:
    """The codes of all errors that the application may return, sorted."""
    with use_context(app.context):
        return sorted({each.name for each in describe_errors(app)})


def build_map(app: Api) -> dict[str, Any]:
    """One document of everything, grouped by kind. It depends on the code and on what is enabled."""
    document: dict[str, Any] = {"undercroft": undercroft.__version__}
    with use_context(app.context):
        for each in describe_all(app):
            document.setdefault(f"{each.kind.replace(' ', '_')}s", []).append(each.export())
    return document


def _names(description: Description) -> set[str]:
    return {name.lower() for name in (description.name, *description.aliases)}
