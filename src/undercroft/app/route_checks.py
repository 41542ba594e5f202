"""Checks of route declarations at startup."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache
from types import ModuleType
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from undercroft.core.auth.permissions import Permission, list_permissions
from undercroft.core.errors import CodeError
from undercroft.core.http import RouteInfo, Router, Surface, depends_on, get_info
from undercroft.core.http._fastapi import included_routers, list_routes
from undercroft.core.http.guards import current_principal
from undercroft.core.http.idempotency import declares_idempotency
from undercroft.core.http.lazy_route import LazyRoute
from undercroft.core.http.limits import get_rate_limit_rule, get_rate_names
from undercroft.core.http.route_info import WEBSOCKET
from undercroft.core.http.same_site import SAFE_METHODS
from undercroft.core.http.tags import described_tags
from undercroft.core.http.versions import superseded, with_version

_TAG_SIMILARITY = 0.85
"""Minimum similarity ratio at which an unknown tag is treated as a misspelled one."""
_PLAIN_HINT = "; on a plain APIRouter, in dependencies=[declaration(…)]"


@cache
def find_routers(part: ModuleType) -> tuple[Router, ...]:
    """Return the routers of a module's file, except those that another one includes.

    A plain APIRouter is included in a Router of the surface that its file is named after, by default `app`; in
    `pages.py` it belongs to `root`.
    """
    routers = [value for value in vars(part).values() if isinstance(value, APIRouter)]
    inner = {id(each) for router in routers for each in _included(router)}
    return tuple(
        router if isinstance(router, Router) else _guard_router(router, _surface_of(router, part))
        for router in routers
        if id(router) not in inner
    )


def _included(router: APIRouter) -> Iterable[APIRouter]:
    return router.included if isinstance(router, Router) else included_routers(router)


def _guard_router(router: APIRouter, surface: Surface) -> Router:
    guarded = Router(surface=surface)
    guarded.include_router(router)
    return guarded


def _surface_of(router: APIRouter, part: ModuleType) -> Surface:
    """The surface of a plain router in `routes.py`, `routes/public.py` or `pages.py`."""
    endpoint = next((getattr(each.source, "endpoint", None) for each in list_routes(router.routes)), None)
    file = getattr(endpoint, "__module__", part.__name__).rpartition(".")[2]
    default = Surface.ROOT if part.__name__.endswith(".pages") else Surface.APP
    return next((surface for surface in Surface if surface.value == file), default)


def check_routes(routes: Iterable[BaseRoute], *, complete: bool) -> None:
    """Raise `CodeError` for a route without a guard, permission or audit entry, or with an unknown permission.

    With `complete`, also check for step-up policies, idempotency, rate limits, misspelled tags, duplicate routes and
    errors that FastAPI would otherwise raise at the first request of a route.
    """
    permissions = {permission.name: permission for permission in list_permissions()}
    routes = list(routes)
    api_routes = [route for route in routes if isinstance(route, APIRoute)]
    tags = set(described_tags(api_routes))
    if complete:
        _check_distinct(api_routes)
        _check_superseded(routes)
    for route in routes:
        _check_guard(route)
        _check_audit(route)
        if isinstance(route, (APIRoute, APIWebSocketRoute)):
            _check_permissions(route, permissions)
        if complete and isinstance(route, (Route, WebSocketRoute, Mount)):
            _check_limit(route)
        if complete and isinstance(route, LazyRoute):
            route.complete()
            _check_tags(route, tags)
            _check_idempotency(route)
        if complete and isinstance(route, (LazyRoute, APIWebSocketRoute)):
            _check_step_up(route, permissions)


def check_paths(built_in: Iterable[BaseRoute], routes: Iterable[BaseRoute]) -> None:
    """Raise `CodeError` for a route of an extension on a path of the application itself."""
    taken = {_pattern(route) for route in built_in if isinstance(route, (Route, WebSocketRoute))}
    for route in routes:
        if isinstance(route, (Route, WebSocketRoute)) and _pattern(route) in taken:
            raise CodeError(
                f"{_title(route)} is a path of Undercroft itself. Choose another one, or remove `mount` from MODULE.",
                at=route.endpoint,
            )


def _pattern(route: Route | WebSocketRoute) -> str:
    """The path in version 1, with the same name for all parameters."""
    return re.sub(r"{\w+}", "{}", with_version(route.path_format, 1))


def _check_distinct(routes: Iterable[APIRoute]) -> None:
    seen = set[tuple[str, str]]()
    for route in routes:
        for method in route.methods or ():
            if (method, route.path) in seen:
                message = f"{method} {route.path} is declared twice; only the first is served. Remove one of them."
                raise CodeError(message, at=route.endpoint)
            seen.add((method, route.path))


def _check_superseded(routes: Sequence[BaseRoute]) -> None:
    """Raise `CodeError` for a route that replaces an older one without stating since when that is deprecated."""
    for older, newer in superseded(routes):
        if get_info(newer).supersedes is None:
            raise CodeError(
                f"{_title(newer)} replaces {_title(older)}. State on its router since when the older one is "
                "deprecated, and when it may be removed: supersedes=Deprecation(since=date(…), sunset=date(…)).",
                at=_function(newer),
            )


def _check_tags(route: APIRoute, known: set[str]) -> None:
    """Raise `CodeError` for a tag without a description whose name is similar to a described tag."""
    for tag in set(map(str, route.tags)) - known:
        if close := get_close_matches(tag, known, 1, _TAG_SIMILARITY):
            raise CodeError(
                f"{route.path} has the tag {tag}, which has no description. Did you mean {close[0]}? "
                f'If not, describe it: Tag("{tag}", "Description.").',
                at=route.endpoint,
            )


def _check_guard(route: BaseRoute) -> None:
    """Raise `CodeError` for a route that serves paths of a guarded surface and was not made by a router of it."""
    path = getattr(route, "path", None)
    if path is None:
        message = f"A {type(route).__name__} serves any path without access control. Mount its application at a path."
        raise CodeError(message, at=_function(route))
    first = re.sub(r"^/api/v\d+(?=[/{]|$)", "/api/v1", path)  # every version has the same surfaces
    for surface in (Surface.APP, Surface.ADMIN, Surface.AUTH):
        if _may_serve(route, first, f"{surface.prefix}/") and get_info(route).surface is not surface:
            raise CodeError(
                f'{_title(route)} has no access control. Add it by a method of Router(surface="{surface}"), or include '
                "its APIRouter in one.",
                at=_function(route),
            )


def _may_serve(route: BaseRoute, path: str, prefix: str) -> bool:
    """Whether a path of this surface could reach a route. In the API, only those with a path of the API."""
    literal, parameter, _ = path.partition("{")
    if f"{path}/".startswith(prefix):
        return True
    is_open = bool(parameter) or isinstance(route, Mount)
    return is_open and literal.startswith("/api/") and prefix.startswith(literal)


def _check_limit(route: Route | WebSocketRoute | Mount) -> None:
    try:
        get_rate_limit_rule(route)
    except (KeyError, ValueError) as error:
        name = str(get_info(route).limit)
        close = get_close_matches(name, get_rate_names(), 1)
        hint = f"Did you mean {close[0]}?" if close else 'Use a declared name, or a rate such as "5/minute".'
        raise CodeError(f"{_title(route)} has the unknown limit {name}. {hint}", at=_function(route)) from error


def _check_permissions(route: APIRoute | APIWebSocketRoute, permissions: dict[str, Permission]) -> None:
    info, title = get_info(route), _title(route)
    if info.permission is None:
        if info.surface is Surface.APP and info.uses_current_team:
            raise CodeError(
                f'{title} requires no permission. Add permission="things:verb", or self_only=True if it concerns only '
                f"the current user{_PLAIN_HINT}.",
                at=route.endpoint,
            )
    elif info.permission not in permissions:
        close = get_close_matches(info.permission, permissions, 1)
        hint = f"Did you mean {close[0]}?" if close else "Declare it in permissions.py of the module."
        message = f"{title} requires the permission {info.permission}, which no module declares. {hint}"
        raise CodeError(message, at=route.endpoint)


def _check_audit(route: BaseRoute) -> None:
    if is_audited(route) and get_info(route).audit is None:
        raise CodeError(
            f'{_title(route)} does not declare its audit entry. Add audit="thing.changed", the action that a success '
            f'records, or audit=Exempt("…") with the reason why it records none{_PLAIN_HINT}.',
            at=_function(route),
        )


def is_audited(route: BaseRoute) -> bool:
    """Whether a route may change data, so that it declares its audit entries. A mounted application is one route."""
    if isinstance(route, WebSocketRoute):
        return True
    if isinstance(route, Mount):
        return not isinstance(route.app, StaticFiles)
    return isinstance(route, Route) and not SAFE_METHODS.issuperset(route.methods or {"POST"})


def _check_step_up(route: APIRoute | APIWebSocketRoute, permissions: dict[str, Permission]) -> None:
    info = get_info(route)
    if info.step_up is None and _may_widen_access(route, info, permissions):
        raise CodeError(
            f"{_title(route)} may widen access. Add step_up=True to require a recent reauthentication, "
            'step_up=When("…") if the service requires it in some cases, or step_up=Exempt("…") with the reason why it '
            "grants no access.",
            at=route.endpoint,
        )


def _may_widen_access(route: APIRoute | APIWebSocketRoute, info: RouteInfo, permissions: dict[str, Permission]) -> bool:
    """Whether a route changes data that may grant access: with its permission, or without one for a known caller.

    A route without a principal verifies the credentials in the request itself, such as a password or an emailed token.
    """
    if not info.changes_data:
        return False
    if info.permission is not None:
        return permissions[info.permission].widens_access
    return depends_on(route, current_principal)


def _check_idempotency(route: APIRoute) -> None:
    if not declares_idempotency(route):
        raise CodeError(
            f"{_title(route)} ignores the header Idempotency-Key, because its caller is unknown. Add "
            'idempotency=Exempt("…") with the reason why a repeated request does no harm, or "never_store" if its '
            "response has a secret.",
            at=route.endpoint,
        )


def _function(route: BaseRoute) -> Any:
    """Return the function of a route, or the class of a mounted application."""
    return getattr(route, "endpoint", None) or type(getattr(route, "app", route))


def _title(route: BaseRoute) -> str:
    kind = [WEBSOCKET] if isinstance(route, WebSocketRoute) else ()
    methods = "/".join(sorted(getattr(route, "methods", None) or kind))
    return f"{methods} {getattr(route, 'path', '')}".strip()
