"""What routes declare, checked when the application is put together: a contradiction is an error at the start."""

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
"""How much of two tags must be equal for one to be the other, misspelled."""
APP_PREFIX = f"{Surface.APP.prefix}/"


def find_routers(part: ModuleType) -> list[Router]:
    """The routers of a module's file. Raises `CodeError` for one that no surface guards."""
    for value in vars(part).values():
        if isinstance(value, APIRouter) and not isinstance(value, Router):
            at = value.routes[0].endpoint if value.routes and isinstance(value.routes[0], APIRoute) else part
            raise CodeError(
                f"{part.__name__} has an APIRouter, whose routes nothing would guard. "
                'Make it a Router of undercroft.core.http: Router(surface="app", prefix="/things").',
                at=at,
            )
    return [value for value in vars(part).values() if isinstance(value, Router)]


def check_routes(routes: list[BaseRoute], *, complete: bool) -> None:
    """Raises `CodeError` for a route that requires nothing, or a permission that no module declares.

    With `complete`, also for everything that FastAPI would find at the route's first request, and a misspelled tag.
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
                said = f"{method} {route.path} is declared twice, and only the first one is served. Remove one of them."
                raise CodeError(said, at=route.endpoint)
            seen.add((method, route.path))


def _check_tags(route: APIRoute) -> None:
    """A tag that nothing describes is fine, unless it is so close to one that is described that it was meant."""
    known = get_tag_names()
    for tag in set(map(str, route.tags)) - known:
        if close := get_close_matches(tag, known, 1, _TAG_SIMILARITY):
            raise CodeError(
                f"{route.path} has the tag {tag}, which nothing describes. Did you mean {close[0]}? "
                f'If not, describe it: Tag("{tag}", "What it is about.").',
                at=route.endpoint,
            )


def _check_permissions(route: APIRoute, names: set[str]) -> None:
    title = f"{'/'.join(sorted(route.methods or ()))} {route.path}"
    needed = set(_required_permissions(route))
    if not needed and not getattr(route.endpoint, "__self_only__", False):
        raise CodeError(
            f"{title} requires no permission. Add dependencies=[require_permission(…)], or Router(…, self_only=True) "
            "when it is about the current user.",
            at=route.endpoint,
        )
    for name in sorted(needed - names):
        close = get_close_matches(name, names, 1)
        hint = f"Did you mean {close[0]}?" if close else "Declare it in permissions.py of the module."
        raise CodeError(f"{title} requires the permission {name}, which no module declares. {hint}", at=route.endpoint)


def _required_permissions(route: APIRoute) -> Iterator[str]:
    """The permissions that a route names: first where they are mostly written, which costs no look at its signature."""
    given = route.declared_dependencies if isinstance(route, LazyRoute) else ()
    named = [need for each in given if ":" in (need := str(getattr(each.dependency, "needs", "")))]
    if named or getattr(route.endpoint, "__self_only__", False):
        yield from named
    else:
        yield from required_permissions(route)
