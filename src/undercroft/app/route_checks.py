"""Checks of route declarations at startup."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from types import ModuleType

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from undercroft.core.auth.permissions import list_permissions
from undercroft.core.errors import CodeError
from undercroft.core.http import Router, Surface
from undercroft.core.http.guards import required_permissions
from undercroft.core.http.lazy_route import LazyRoute
from undercroft.core.http.tags import get_tag_names

_TAG_SIMILARITY = 0.85
"""Minimum similarity ratio at which an unknown tag is treated as a misspelled one."""
APP_PREFIX = f"{Surface.APP.prefix}/"


def find_routers(part: ModuleType) -> list[Router]:
    """Return the routers of a module's file. Raises `CodeError` for a plain APIRouter, which has no guard."""
    for value in vars(part).values():
        if isinstance(value, APIRouter) and not isinstance(value, Router):
            at = value.routes[0].endpoint if value.routes and isinstance(value.routes[0], APIRoute) else part
            raise CodeError(
                f"{part.__name__} defines an APIRouter, whose routes would have no access control. "
                'Use Router from undercroft.core.http instead: Router(surface="app", prefix="/things").',
                at=at,
            )
    return [value for value in vars(part).values() if isinstance(value, Router)]


def check_routes(routes: list[BaseRoute], *, complete: bool) -> None:
    """Raise `CodeError` for a route that requires no permission, or a permission that no module declares.

    With `complete`, also check for misspelled tags, duplicate routes and errors that FastAPI would otherwise raise at
    the first request of a route.
    """
    names = {permission.name for permission in list_permissions()}
    if complete:
        _check_distinct(route for route in routes if isinstance(route, APIRoute))
    for route in routes:
        if complete and isinstance(route, LazyRoute):
            route.complete()
            _check_tags(route)
        if isinstance(route, APIRoute) and route.path.startswith(APP_PREFIX):
            _check_permissions(route, names)


def _check_distinct(routes: Iterable[APIRoute]) -> None:
    seen = set[tuple[str, str]]()
    for route in routes:
        for method in route.methods or ():
            if (method, route.path) in seen:
                message = f"{method} {route.path} is declared twice; only the first is served. Remove one of them."
                raise CodeError(message, at=route.endpoint)
            seen.add((method, route.path))


def _check_tags(route: APIRoute) -> None:
    """Raise `CodeError` for a tag without a description whose name is similar to a described tag."""
    known = get_tag_names()
    for tag in set(map(str, route.tags)) - known:
        if close := get_close_matches(tag, known, 1, _TAG_SIMILARITY):
            raise CodeError(
                f"{route.path} has the tag {tag}, which has no description. Did you mean {close[0]}? "
                f'If not, describe it: Tag("{tag}", "Description.").',
                at=route.endpoint,
            )


def _check_permissions(route: APIRoute, names: set[str]) -> None:
    title = f"{'/'.join(sorted(route.methods or ()))} {route.path}"
    needed = set(_required_permissions(route))
    if not needed and not getattr(route.endpoint, "__self_only__", False):
        raise CodeError(
            f"{title} requires no permission. Add dependencies=[require_permission(…)], or use "
            "Router(…, self_only=True) if it concerns only the current user.",
            at=route.endpoint,
        )
    for name in sorted(needed - names):
        close = get_close_matches(name, names, 1)
        hint = f"Did you mean {close[0]}?" if close else "Declare it in permissions.py of the module."
        raise CodeError(f"{title} requires the permission {name}, which no module declares. {hint}", at=route.endpoint)


def _required_permissions(route: APIRoute) -> Iterator[str]:
    """Yield the permissions that a route requires: from its `dependencies`, otherwise from its signature (slower)."""
    given = route.declared_dependencies if isinstance(route, LazyRoute) else ()
    named = [need for each in given if ":" in (need := str(getattr(each.dependency, "needs", "")))]
    if named or getattr(route.endpoint, "__self_only__", False):
        yield from named
    else:
        yield from required_permissions(route)
