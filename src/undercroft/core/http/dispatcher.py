"""Dispatch requests by a table of paths instead of a linear search.

A path without parameters is found by one lookup, a path with parameters by its longest literal prefix. Rules:

- A literal path is never the value of a parameter: `DELETE /things/newest` is 405, not a thing with that name. If
  several paths with parameters match, the longer literal prefix wins, then the order of registration; a path without
  the method gives way to the next one that has it.
- HEAD is handled by the GET route, without the body (RFC 9110, 9.3.2). OPTIONS returns 204 and `Allow`.
- GET and HEAD return 304 if the client already has the response, by its ETag.
- 405 has an `Allow` header with every method of the path, over all routes that share it.
- A path with a trailing slash is 404 under `/api/`; elsewhere it redirects (308) to the page without it.
- Paths are matched decoded, as the server passes them; a `%2F` is a slash and separates segments.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, field
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from undercroft.core.errors import NotFound, Unauthorized
from undercroft.core.http._fastapi import get_route_path
from undercroft.core.http.conditional import NotModified
from undercroft.core.http.errors import MethodNotAllowed
from undercroft.core.http.limits import RateLimitRule, count_failure, enforce, get_rate_limit_rule
from undercroft.core.http.route_handler import build_app

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class RouteEntry(Struct):
    """One method of one path; its ASGI application is built on the first request."""

    route: Route
    rule: RateLimitRule | None
    template: str
    cached_app: ASGIApp | None = None

    @property
    def app(self) -> ASGIApp:
        if self.cached_app is None:
            self.cached_app = build_app(self.route)
        return self.cached_app


class PathEntry(Struct):
    """One path with its methods."""

    route: Route
    methods: dict[str, RouteEntry] = field(default_factory=dict)

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


class Dispatcher:
    """ASGI application that dispatches to an application's routes. It rebuilds its table when routes are added."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes
        self._size = -1
        self._static: dict[str, PathEntry] = {}
        self._dynamic: dict[str, list[PathEntry]] = {}
        self._others: list[BaseRoute] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(self._routes) != self._size:
            self._build()
        if scope["type"] != "http":
            await self._dispatch_other(scope, receive, send)
            return
        path = get_route_path(scope) if scope.get("root_path") else scope["path"]
        method = scope["method"]
        allowed: set[str] = set()
        for known, parameters in self._candidates(path):
            entry = known.methods.get(method) or (known.methods.get("GET") if method == "HEAD" else None)
            if entry is not None:
                await _call_route(entry, parameters, scope, receive, send)
                return
            scope["state"]["route_template"] = known.route.path_format
            allowed.update(known.methods)
        if allowed:
            await _refuse_method(allowed, method, send)
        else:
            await self._dispatch_other(scope, receive, send)

    def _candidates(self, path: str) -> Iterator[tuple[PathEntry, dict[str, Any]]]:
        known = self._static.get(path)
        if known is not None:
            yield known, {}
            return
        end = path.rfind("/")
        while end >= 0:
            for known in self._dynamic.get(path[: end + 1], ()):
                parameters = known.parameters(path)
                if parameters is not None:
                    yield known, parameters
            end = path.rfind("/", 0, end)

    async def _dispatch_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch mounts, websockets and other routes in the order of registration."""
        for route in self._others:
            match, child = route.matches(scope)
            if match is Match.FULL:
                scope.update(child)
                scope["state"]["route_template"] = f"{getattr(route, 'path', '')}/{{path}}"
                await route.handle(scope, receive, send)
                return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        bare = scope["path"].rstrip("/")
        if bare in self._static and not bare.startswith("/api/") and scope["method"] in ("GET", "HEAD"):
            raise HTTPException(308, headers={"Location": bare})
        raise NotFound

    def _build(self) -> None:
        self._static, self._dynamic, self._others = {}, {}, []
        known: dict[str, PathEntry] = {}
        for route in self._routes:
            if isinstance(route, Route):
                self._add(route, known)
            else:
                self._others.append(route)
        self._size = len(self._routes)

    def _add(self, route: Route, known: dict[str, PathEntry]) -> None:
        path = known.get(route.path)
        if path is None:
            path = known[route.path] = PathEntry(route)
            if "{" in route.path:
                prefix = route.path.partition("{")[0]
                self._dynamic.setdefault(prefix[: prefix.rfind("/") + 1], []).append(path)
            else:
                self._static[route.path_format] = path
        entry = RouteEntry(route, get_rate_limit_rule(route.path_format, route.endpoint), route.path_format)
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
    if scope["method"] == "HEAD":
        send = _send_head_only(send)
    if b"if-none-match" in scope["state"]["request_headers"] and scope["method"] in ("GET", "HEAD"):
        send = NotModified(scope, send)
    rule = entry.rule
    if rule is None:
        await entry.app(scope, receive, send)
        return
    subject = await enforce(rule, scope)
    try:
        await entry.app(scope, receive, send)
    except Unauthorized:
        if subject is not None:
            await count_failure(rule, scope)
        raise


async def _refuse_method(allowed: set[str], method: str, send: Send) -> None:
    listed = allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())
    allow = ", ".join(sorted(listed))
    if method != "OPTIONS":
        raise MethodNotAllowed(headers={"Allow": allow})
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
