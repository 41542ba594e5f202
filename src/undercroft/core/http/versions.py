"""Versions of the API: `/api/v2` beside `/api/v1`, with only the changed routes written again.

A changed route is a route of a router with a version, at the same path:

    rooms = Router(
        surface="app", prefix="/rooms", tag="Rooms", version=2,
        supersedes=Deprecation(since=date(2026, 12, 1), sunset=date(2027, 12, 1)),
    )

All other routes are served under both prefixes. Without such a router, there is only version 1. Responses have
`X-API-Version`, and those of the superseded route `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`. A client
chooses a version by the path or by the header `X-API-Version` or `Accept-Version`, which takes precedence; with the
header, the path may have no version: `/api/app/projects`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import pairwise
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec.structs import replace
from starlette.routing import BaseRoute, Route, WebSocketRoute, compile_path
from starlette.types import Scope

from undercroft.core.errors import NotFound
from undercroft.core.http.deprecation import Header, build_headers

R = TypeVar("R", bound=BaseRoute)

_VERSIONED = re.compile(r"/api/v([0-9]{1,4})/")
_REQUESTED = re.compile(rb"v?([0-9]{1,4})")
REQUEST_HEADERS = (b"x-api-version", b"accept-version")
"""The headers that choose a version. The first one wins."""


class ApiVersionNotFound(NotFound):
    code = "API_VERSION_NOT_FOUND"
    message = "This version of the API does not exist. See `details.versions`."


def path_of(route: BaseRoute) -> str:
    return str(getattr(route, "path", ""))


def with_version(path: str, version: int) -> str:
    """The path in another version of the API; paths outside it have none."""
    return _VERSIONED.sub(f"/api/v{version}/", path, count=1) if _VERSIONED.match(path) else path


def list_versions(routes: Iterable[BaseRoute]) -> list[int]:
    """The versions that routes with these paths are served at: 1, and up to the newest one that a route declares."""
    return list(range(1, max((_version(route) for route in routes), default=1) + 1))


def served_at(routes: Sequence[BaseRoute], version: int) -> Iterator[BaseRoute]:
    """The routes of a version with their paths in it: those declared for it, and unchanged ones of older versions.

    The others, such as pages, belong to version 1.
    """
    newest = _newest(routes, version) if version > 1 else {}
    for route in routes:
        own = _version(route)
        if own == version:
            yield route
        elif own < version and _VERSIONED.match(path_of(route)):
            methods = {method for method, pattern in _keys(route) if newest[method, pattern] == own}
            if methods:
                yield _copy_for(route, version, methods)


def _newest(routes: Iterable[BaseRoute], version: int) -> dict[tuple[str, str], int]:
    """The newest version, up to the given one, in which each method of each path is declared."""
    newest: dict[tuple[str, str], int] = {}
    for route in routes:
        if _version(route) <= version:
            newest |= {key: max(_version(route), newest.get(key, 0)) for key in _keys(route)}
    return newest


def superseded(routes: Sequence[BaseRoute]) -> Iterator[tuple[BaseRoute, BaseRoute]]:
    """Yield each route that a newer version replaces, with the route of the next version that does."""
    by_key: dict[tuple[str, str], list[BaseRoute]] = {}
    for route in sorted(routes, key=_version):
        for key in _keys(route):
            by_key.setdefault(key, []).append(route)
    for versions in by_key.values():
        for older, newer in pairwise(versions):
            if _version(older) < _version(newer):
                yield older, newer


def deprecate_superseded(routes: Sequence[BaseRoute]) -> None:
    """Add to the declaration of each superseded route what its successor states about it."""
    if len(list_versions(routes)) == 1:
        return
    for older, newer in superseded(routes):
        info: Any = older.info  # type: ignore[attr-defined]
        supersedes = newer.info.supersedes  # type: ignore[attr-defined]
        if supersedes is not None:
            older.info = replace(info, deprecation=supersedes, successor=_version(newer))  # type: ignore[attr-defined]


def choose_version(scope: Scope, versions: Sequence[int]) -> None:
    """Change the path of a request to the version that its headers name. Raises `ApiVersionNotFound`."""
    headers = scope["state"]["request_headers"]
    given = next(headers[name] for name in REQUEST_HEADERS if name in headers)
    root = scope.get("root_path", "")
    path = scope["path"].removeprefix(root)
    if not path.startswith("/api/"):
        return
    match = _REQUESTED.fullmatch(given)
    if match is None or int(match[1]) not in versions:
        raise _not_found(versions)
    rest = path[_VERSIONED.match(path).end() :] if _VERSIONED.match(path) else path.removeprefix("/api/")  # type: ignore[union-attr]
    scope["path"] = f"{root}/api/v{int(match[1])}/{rest}"
    scope["raw_path"] = quote(scope["path"]).encode()


def require_version(path: str, versions: Sequence[int]) -> None:
    """Raise `ApiVersionNotFound` if the path names a version that does not exist."""
    named = _VERSIONED.match(path)
    if named and int(named[1]) not in versions:
        raise _not_found(versions)


def _not_found(versions: Sequence[int]) -> ApiVersionNotFound:
    return ApiVersionNotFound(details={"versions": list(versions)})


def version_headers(path: str, versions: Sequence[int]) -> list[Header]:
    """The response headers of a path of the API, which depends on request headers if there are several versions."""
    named = _VERSIONED.match(path)
    if named is None:
        return []
    vary = [(b"vary", b"Accept-Version, X-API-Version")] if len(versions) > 1 else []
    return [(b"x-api-version", named[1].encode()), *vary]


def deprecation_headers(route: Any, scope: Scope) -> list[Header]:
    """The response headers of a deprecated route."""
    root = scope.get("root_path", "")
    successor = route.info.successor
    path = scope["path"].removeprefix(root)
    return build_headers([route.info.deprecation], f"{root}{with_version(path, successor)}" if successor else None)


def _version(route: BaseRoute) -> int:
    return int(getattr(getattr(route, "info", None), "version", 1))


def _keys(route: BaseRoute) -> list[tuple[str, str]]:
    """The methods and the path of a route without its version and the names of its parameters."""
    pattern = re.sub(r"{[^}]*}", "{}", with_version(path_of(route), 1))
    if isinstance(route, WebSocketRoute):
        return [("WEBSOCKET", pattern)]
    return [(method, pattern) for method in getattr(route, "methods", None) or ("*",)]


def _copy_for(route: BaseRoute, version: int, methods: set[str]) -> BaseRoute:
    copied = copy(route)
    if isinstance(copied, Route) and copied.methods:
        copied.methods = methods
    return move_route(copied, with_version(path_of(route), version))


def move_route(route: R, path: str) -> R:
    """Change the path of a route that was copied; returns it."""
    moved: Any = route
    moved.path = path
    moved.path_regex, moved.path_format, moved.param_convertors = compile_path(path)
    return route
