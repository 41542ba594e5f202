"""Dispatch requests by a table of paths instead of a linear search.

A path without parameters is found by one lookup, a path with parameters by its longest literal prefix. Rules:

- A literal path is never the value of a parameter: `DELETE /things/newest` is 405, not a thing with that name. If
  several paths with parameters match, the longer literal prefix wins, then the order of registration; a path without
  the method gives way to the next one that has it.
- HEAD is handled by the GET route, without the body (RFC 9110, 9.3.2). OPTIONS returns 204 and `Allow`.
- GET and HEAD return 304 if the client already has the response, by its ETag.
- 405 has an `Allow` header with every method of the path, over all routes that share it.
- A path that exists only with or only without a trailing slash redirects to it (307), with its query; a superfluous
  slash is 404 under `/api/`.
- Each version of the API has the paths of its routes and of the unchanged ones of older versions; see `versions`.
- Paths are matched decoded, as the server passes them; a `%2F` is a slash and separates segments.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from msgspec import Struct, field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from undercroft.core.context import current_context
from undercroft.core.errors import Unauthorized
from undercroft.core.http._fastapi import TELEMETRY, get_route_path, select_route
from undercroft.core.http.conditional import NotModified
from undercroft.core.http.deprecation import Deprecation, Header
from undercroft.core.http.lazy_route import LazyRoute
from undercroft.core.http.limits import RateLimitRule, count_failure, enforce, get_rate_limit_rule
from undercroft.core.http.plain_route import plain_app
from undercroft.core.http.route_info import get_info
from undercroft.core.http.versions import (
    ApiVersionNotFound,
    choose_version,
    deprecation_headers,
    list_versions,
    require_version,
    served_at,
    version_headers,
)

API = "/api/"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class RouteEntry(Struct, dict=True):
    """One method of one path; its ASGI application is built on the first request."""

    route: Route
    rule: RateLimitRule | None
    template: str
    headers: Sequence[Header]
    deprecation: Deprecation | None

    @cached_property
    def app(self) -> ASGIApp:
        if not isinstance(self.route, APIRoute):
            return self.route.app
        app = plain_app(self.route) or self.route.app
        return app if isinstance(self.route, LazyRoute) else AsyncExitStackMiddleware(app)


class PathEntry(Struct):
    """One path with its methods."""

    route: Route
    headers: Sequence[Header] = ()
    methods: dict[str, RouteEntry] = field(default_factory=dict)

    def find(self, method: str) -> RouteEntry | None:
        return self.methods.get(method) or (self.methods.get("GET") if method == "HEAD" else None)

    def parameters(self, path: str) -> dict[str, Any] | None:
        """The values of the path parameters; None if the path does not match."""
        match = self.route.path_regex.fullmatch(path)
        if match is None:
            return None
        convertors = self.route.param_convertors
        try:
            return {name: convertors[name].convert(value) for name, value in match.groupdict().items()}
        except ValueError:
            return None


class Gate:
    """What every request of an application passes before its route, or None."""

    def __init__(self) -> None:
        self.check: Callable[[HTTPConnection], Awaitable[None]] | None = None


def set_gate(check: Callable[[HTTPConnection], Awaitable[None]] | None) -> None:
    """Call `check` before each request of this application and its WebSockets from now on; None calls nothing.

    It refuses a request by an `AppError`. Unlike middleware, it costs nothing while it is None.
    """
    current_context().get(Gate).check = check


class Dispatcher:
    """ASGI application that dispatches to an application's routes. It rebuilds its table when routes are added."""

    def __init__(self, routes: Sequence[BaseRoute], gate: Gate | None = None) -> None:
        self._routes = routes
        self._gate = gate or Gate()
        self._size = -1
        self._static: dict[str, PathEntry] = {}
        self._dynamic: dict[str, list[PathEntry]] = {}
        self._others: list[tuple[Any, RateLimitRule | None]] = []
        self._sets_body_limits = False
        self._versions: Sequence[int] = (1,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(self._routes) != self._size:
            self._build()
        path = self._choose_path(scope)
        if self._gate.check is not None:
            await self._gate.check(HTTPConnection(scope))
        if scope["type"] != "http":
            await self._dispatch_other(scope, receive, send)
            return
        method = scope["method"]
        allowed: set[str] = set()
        for known, parameters in self._candidates(path):
            entry = known.find(method)
            if entry is not None:
                await _call_route(entry, parameters, scope, receive, send)
                return
            scope["state"]["route_template"] = known.route.path_format
            allowed.update(known.methods)
            refused = known.headers
        if allowed:
            scope["state"]["response_headers"] += refused
            await _refuse_method(allowed, method, send)
        else:
            await self._dispatch_other(scope, receive, send)

    def find(self, path: str) -> dict[str, Route]:
        """The route that serves each method of a path."""
        if len(self._routes) != self._size:
            self._build()
        found: dict[str, Route] = {}
        for known, _ in self._candidates(path):
            for method, entry in known.methods.items():
                found.setdefault(method, entry.route)
        return found

    def update_limits(self) -> None:
        """Determine the rate limit of each route again, after their settings changed."""
        paths = [*self._static.values(), *(path for paths in self._dynamic.values() for path in paths)]
        for entry in {id(entry): entry for path in paths for entry in path.methods.values()}.values():
            entry.rule = get_rate_limit_rule(entry.route)
        self._others = [(route, get_rate_limit_rule(route)) for route, _ in self._others]

    def max_body_size(self, scope: Scope) -> int | None:
        """The limit that the route of a request sets for its body, in bytes; None if it sets none."""
        if len(self._routes) != self._size:
            self._build()
        if not self._sets_body_limits:
            return None
        try:
            path = self._choose_path(scope)
        except ApiVersionNotFound:  # reported when the request is dispatched
            return None
        found = (known.find(scope["method"]) for known, _ in self._candidates(path))
        entry = next(filter(None, found), None)
        return getattr(entry.route, "max_body_size", None) if entry else None

    def _choose_path(self, scope: Scope) -> str:
        """The path of a request, in the version that its headers name. Raises `ApiVersionNotFound`."""
        headers = scope["state"]["request_headers"]
        if b"x-api-version" in headers or b"accept-version" in headers:
            choose_version(scope, self._versions)
        return get_route_path(scope) if scope.get("root_path") else scope["path"]

    def _candidates(self, path: str) -> Iterator[tuple[PathEntry, dict[str, Any]]]:
        known = self._static.get(path)
        if known is not None:
            yield known, {}
            return
        end = path.rfind("/")
        first = len(API) - 1 if path.startswith(API) else 0  # a page such as `/{path:path}` serves no path of the API
        while end >= first:
            for known in self._dynamic.get(path[: end + 1], ()):
                parameters = known.parameters(path)
                if parameters is not None:
                    yield known, parameters
            end = path.rfind("/", 0, end)

    async def _dispatch_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch WebSockets, and mounts of the application, in the order of registration."""
        for route, rule in self._others:
            match, child = route.matches(scope)
            if match is Match.FULL and not _is_foreign(route, scope):
                scope.update(child)
                path: str = route.path_format
                scope["state"]["route_template"] = path if isinstance(route, WebSocketRoute) else path.removesuffix("/")
                await _call_limited(route.handle, rule, scope, receive, send)
                return
        if scope["type"] == "websocket":
            raise HTTPException(404)
        if (location := self._other_slash(scope)) is not None:
            await RedirectResponse(location)(scope, receive, send)
            return
        require_version(get_route_path(scope), self._versions)
        scope["state"]["response_headers"] += version_headers(get_route_path(scope), self._versions)
        raise HTTPException(404)

    def _other_slash(self, scope: Scope) -> str | None:
        """The location that differs by its trailing slash, if it exists; in the API only with an added one."""
        path: str = scope["path"]
        if path.endswith("/"):
            other = path.rstrip("/")
            if path.startswith(API):
                return None
        else:
            other = f"{path}/"
        if not other or path.startswith("//") or not self._exists({**scope, "path": other}):
            return None
        query = scope["query_string"].decode("latin-1")
        return f"{other}?{query}" if query else other

    def _exists(self, scope: Scope) -> bool:
        """Whether a route handles this path and method."""
        path = get_route_path(scope)
        return any(known.find(scope["method"]) for known, _ in self._candidates(path)) or any(
            route.matches(scope)[0] is Match.FULL and not _is_foreign(route, scope) for route, _ in self._others
        )

    def _build(self) -> None:
        self._static, self._dynamic, self._others = {}, {}, []
        self._versions = list_versions(self._routes)
        known: dict[str, PathEntry] = {}
        for route in chain.from_iterable(served_at(self._routes, version) for version in self._versions):
            if isinstance(route, Route):
                self._add(route, known)
            else:
                self._others.append((route, get_rate_limit_rule(route)))
        self._size = len(self._routes)
        self._sets_body_limits = any(getattr(route, "max_body_size", None) is not None for route in self._routes)

    def _add(self, route: Route, known: dict[str, PathEntry]) -> None:
        path = known.get(route.path)
        if path is None:
            path = known[route.path] = PathEntry(route, version_headers(route.path, self._versions))
            if "{" in route.path:
                prefix = route.path.partition("{")[0]
                self._dynamic.setdefault(prefix[: prefix.rfind("/") + 1], []).append(path)
            else:
                self._static[route.path_format] = path
        rule, deprecation = get_rate_limit_rule(route), get_info(route).deprecation
        entry = RouteEntry(route, rule, route.path_format, path.headers, deprecation)
        methods = route.methods or METHODS
        for method in methods:
            if method != "HEAD" or "GET" not in methods:
                path.methods.setdefault(method, entry)


async def _call_route(
    entry: RouteEntry, parameters: dict[str, Any], scope: Scope, receive: Receive, send: Send
) -> None:
    scope["route"] = entry.route
    scope["endpoint"] = entry.route.endpoint
    scope["path_params"] = parameters
    scope["state"]["route_template"] = entry.template
    scope["state"]["response_headers"] += entry.headers
    if entry.deprecation is not None:
        scope["state"]["response_headers"] += deprecation_headers(entry.route, scope)
    if TELEMETRY in scope:
        select_route(scope, entry.template)
    if scope["method"] == "HEAD":
        send = _send_head_only(send)
    if b"if-none-match" in scope["state"]["request_headers"] and scope["method"] in ("GET", "HEAD"):
        send = NotModified(scope, send)
    await _call_limited(entry.app, entry.rule, scope, receive, send)


async def _call_limited(app: ASGIApp, rule: RateLimitRule | None, scope: Scope, receive: Receive, send: Send) -> None:
    """Call a route within its rate limit, which also counts failed authentications."""
    if rule is None:
        await app(scope, receive, send)
        return
    subject = await enforce(rule, scope)
    try:
        await app(scope, receive, send)
    except Unauthorized:
        if subject is not None:
            await count_failure(rule, scope)
        raise


def _is_foreign(route: BaseRoute, scope: Scope) -> bool:
    """Whether a route outside the API would serve a path of the API, such as a mount at `/`."""
    return get_route_path(scope).startswith(API) and not getattr(route, "path", "").startswith(API)


async def _refuse_method(allowed: set[str], method: str, send: Send) -> None:
    listed = allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())
    allow = ", ".join(sorted(listed))
    if method != "OPTIONS":
        raise HTTPException(405, headers={"Allow": allow})
    await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allow.encode())]})
    await send({"type": "http.response.body"})


def _send_head_only(send: Send) -> Send:
    ended = False

    async def send_head(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.start":
            await send(message)
        elif not ended:
            ended = True
            await send({"type": "http.response.body", "body": b""})

    return send_head
