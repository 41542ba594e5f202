"""The router class of all modules. It declares its surface, adds the surface's guard, and describes each route."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar, Unpack

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from undercroft.core.errors import CodeError
from undercroft.core.http._fastapi import IncludedRoute, include, mark_routes_changed
from undercroft.core.http.forwarding import MOUNT_METHODS, MOUNT_SUFFIX, NOT_STORED, forward, forward_websocket
from undercroft.core.http.guards import current_principal, refuse_api_keys
from undercroft.core.http.lazy_route import lazy_route_class
from undercroft.core.http.route_info import WEBSOCKET, InfoOptions, RouteInfo, Surface, build_info, get_info
from undercroft.core.http.router_options import (
    FASTAPI_OPTIONS,
    IncludeOptions,
    RouteOptions,
    RouterOptions,
    check_names,
    combine_options,
    split_declarations,
    split_options,
)

F = TypeVar("F", bound=Callable[..., Any])

_GUARDS: Mapping[Surface, Sequence[Any]] = {
    Surface.APP: [Depends(current_principal)],
    Surface.ADMIN: [Depends(current_principal)],
    Surface.AUTH: [Depends(refuse_api_keys)],
}
_LOOSENING = frozenset({"self_only", "team_independent", "impersonation", "or_self", "guard"})
"""Options that an included router does not inherit."""


class Router(APIRouter):
    """An `APIRouter` that declares its surface: `app` routes require a principal, `admin` routes an administrator, and
    `auth` routes refuse API keys.

    The guard is added to every route, so that a route without it cannot be written. What is true of a route is declared
    by the options in `InfoOptions`, at the route or, for all its routes, at the router:

        router = Router(surface="app", prefix="/projects", tag="Projects")

        @router.post("", status_code=201, permission="projects:write", audit="project.created")
        async def create_project(…): ...

    A route on `app` requires a permission or is `self_only` or `team_independent`; a route that changes data declares
    `audit`. Development refuses to start otherwise.

    `root` is for pages and well-known documents outside `/api`; its routes are not in the OpenAPI schema unless the
    router sets `include_in_schema=True`.

    `version=2` declares changed routes at `/api/v2`; see `core.http.versions`.
    """

    def __init__(
        self,
        *,
        surface: str,
        prefix: str = "",
        tag: str | None = None,
        version: int = 1,
        **options: Unpack[RouterOptions],
    ) -> None:
        self.surface, self.version = Surface(surface), version
        self.base = self.surface.prefix_at(version)
        if version < 1 or (version > 1 and self.surface is Surface.ROOT):
            raise CodeError(f"Router({prefix!r}) cannot have the version {version}.", at=type(self))
        self.included: list[APIRouter] = []
        declared, others = split_options(options)
        given, dependencies = split_declarations(others.pop("dependencies", None) or ())
        self.declared = combine_options(declared, given)
        super().__init__(
            prefix=self.base + prefix,
            tags=[tag] if tag else None,
            dependencies=[*_GUARDS.get(self.surface, ()), *dependencies],
            route_class=lazy_route_class(others.pop("route_class", APIRoute)),
            include_in_schema=others.pop("include_in_schema", self.surface is not Surface.ROOT),
            **others,
        )

    def get(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        return self.api_route(path, methods=["GET"], **options)

    def post(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        return self.api_route(path, methods=["POST"], **options)

    def put(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        return self.api_route(path, methods=["PUT"], **options)

    def patch(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        return self.api_route(path, methods=["PATCH"], **options)

    def delete(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        return self.api_route(path, methods=["DELETE"], **options)

    def api_route(
        self, path: str, *, methods: list[str] | None = None, **options: Unpack[RouteOptions]
    ) -> Callable[[F], F]:
        def add(endpoint: F) -> F:
            self.add_api_route(path, endpoint, methods=methods, **options)
            return endpoint

        return add

    def add_api_route(  # type: ignore[override]
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: set[str] | list[str] | None = None,
        **options: Unpack[RouteOptions],
    ) -> None:
        """Add a route. Raises `CodeError` for an option that does not exist or that nothing would enforce."""
        declared, others = split_options(options)
        check_names(others, endpoint)
        given, dependencies = split_declarations(others.get("dependencies") or ())
        declared = combine_options(self.declared, combine_options(declared, given))
        info = self._build_info(self.prefix + path, endpoint, methods or ["GET"], declared)
        others["dependencies"] = [*_info_dependencies(info), *dependencies]
        self._add_form_limits(others)
        super().add_api_route(path, endpoint, methods=list(methods or ["GET"]), **others)
        route: Any = self.routes[-1]
        route.info, route.declared = info, declared

    def include_router(self, router: APIRouter, **options: Unpack[IncludeOptions]) -> None:
        """Add the routes that another router has now, with the given options unless they have their own.

        The routes of a plain `APIRouter` also have the options of this router, and those of `declaration`; the routes
        of a `Router` only the options that restrict access. Its lifespan runs with the one of this router.
        """
        self.included.append(router)
        declared, others = split_options(options)
        prefix = self.prefix + others.get("prefix", "")
        for included in include(self, router, others):
            self.add_included(included, prefix, combine_options(self.declared, declared))

    def websocket(
        self,
        path: str,
        name: str | None = None,
        *,
        dependencies: Sequence[Any] | None = None,
        **options: Unpack[InfoOptions],
    ) -> Callable[[F], F]:
        def add(endpoint: F) -> F:
            self.add_api_websocket_route(path, endpoint, name, dependencies=dependencies, **options)
            return endpoint

        return add

    def add_api_websocket_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        name: str | None = None,
        *,
        dependencies: Sequence[Any] | None = None,
        **options: Unpack[InfoOptions],
    ) -> None:
        """Add a WebSocket route. Its guard authenticates the handshake, which the rate limit counts as one request."""
        given, others = split_declarations(dependencies or ())
        declared = combine_options(self.declared, combine_options(options, given))
        self._add_websocket(self.prefix + path, endpoint, name, [*self.dependencies, *others], declared)

    def _add_websocket(
        self, path: str, endpoint: Any, name: str | None, dependencies: list[Any], declared: dict[str, Any]
    ) -> None:
        info = self._build_info(path, endpoint, [WEBSOCKET], declared)
        guards = [*_GUARDS.get(self.surface, ()), *_info_dependencies(info)]
        own = [each for each in dependencies if each not in guards]
        route: Any = APIWebSocketRoute(path, endpoint, name=name, dependencies=[*guards, *own])
        route.info, route.declared = info, declared
        self.routes.append(route)
        mark_routes_changed(self)

    def mount(self, path: str, app: ASGIApp, name: str | None = None, **options: Unpack[InfoOptions]) -> None:
        """Serve another ASGI application below a path, with its WebSockets: as one route, which needs the same options.

        Files are read only, so that a mount of `StaticFiles` declares no audit entry.
        """
        path, name = path.rstrip("/") + MOUNT_SUFFIX, name or "mounted"
        only_reads = isinstance(app, StaticFiles)
        self._forward(path, forward(app, name, is_mount=True), ["GET"] if only_reads else MOUNT_METHODS, options)
        if not only_reads:
            self.add_api_websocket_route(path, forward_websocket(app, name, is_mount=True), **options)

    def add_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        methods: Collection[str] | None = None,
        name: str | None = None,
        include_in_schema: bool = False,  # noqa: ARG002 - it has no schema
        **options: Unpack[InfoOptions],
    ) -> None:
        """Add a Starlette endpoint: a function of a request, or a class such as `HTTPEndpoint`."""
        route = Route(path, endpoint, methods=methods, name=name)
        self._forward(path, forward(route.app, route.name, is_mount=False), route.methods or MOUNT_METHODS, options)

    def add_websocket_route(
        self, path: str, endpoint: Callable[..., Any], name: str | None = None, **options: Unpack[InfoOptions]
    ) -> None:
        """Add a Starlette WebSocket endpoint."""
        route = WebSocketRoute(path, endpoint, name=name)
        self.add_api_websocket_route(path, forward_websocket(route.app, route.name, is_mount=False), **options)

    def _forward(self, path: str, endpoint: Any, methods: Iterable[str], options: InfoOptions) -> None:
        if "POST" in methods:
            options = {"idempotency": NOT_STORED, **options}
        self.add_api_route(path, endpoint, methods=list(methods), include_in_schema=False, **options)

    def host(self, host: str, app: ASGIApp, name: str | None = None) -> None:  # noqa: ARG002
        """Not supported: it would serve every path, also those of guarded surfaces."""
        raise CodeError(f"Router.host({host!r}) has no access control. Mount the application at a path.", at=app)

    def frontend(self, path: str, **_options: Any) -> None:
        """Not supported: its files would be served without access control and limits."""
        raise CodeError(f"Router.frontend({path!r}) has no access control. Mount StaticFiles instead.", at=type(self))

    def add_included(self, included: IncludedRoute, prefix: str, outer: dict[str, Any]) -> None:
        """Add a route of another router. `prefix` is the part of its path that does not come from that router."""
        source: Any = included.source
        self._require_includable(source, included.path)
        path = included.path.removeprefix(prefix)
        if hasattr(source, "declared"):
            path = path.replace(self.base, "", 1)
            outer = {name: value for name, value in outer.items() if name not in _LOOSENING}
        given, dependencies = split_declarations(getattr(included.effective, "dependencies", ()))
        declared = combine_options(combine_options(outer, given), getattr(source, "declared", {}))
        if isinstance(source, APIRoute):
            self._include_route(source, included, prefix + path, declared, dependencies)
        elif isinstance(source, APIWebSocketRoute):
            self._add_websocket(prefix + path, source.endpoint, source.name, dependencies, declared)
        else:
            self._include_other(source, (prefix + path).removeprefix(self.prefix), declared)

    def _include_route(
        self, source: APIRoute, included: IncludedRoute, path: str, declared: dict[str, Any], dependencies: list[Any]
    ) -> None:
        info = self._build_info(path, source.endpoint, source.methods, declared)
        guards = [*_GUARDS.get(self.surface, ()), *_info_dependencies(info)]
        enforced = [*guards, *_info_dependencies(get_info(source))]
        options = included.read_options(FASTAPI_OPTIONS)
        self._add_form_limits(options)
        options["dependencies"] = [*guards, *(each for each in dependencies if each not in enforced)]
        route: Any = lazy_route_class(type(source))(path, source.endpoint, methods=source.methods, **options)
        route.info, route.declared = info, declared
        self.routes.append(route)
        mark_routes_changed(self)

    def _include_other(self, source: Any, path: str, declared: dict[str, Any]) -> None:
        """Include a route of Starlette, which has neither dependencies nor a declaration."""
        if isinstance(source, Mount):
            self.mount(path, source.app, source.name, **declared)
        elif isinstance(source, WebSocketRoute):
            self.add_websocket_route(path, source.endpoint, source.name, **declared)
        else:
            self.add_route(path, source.endpoint, source.methods, source.name, **declared)

    def _add_form_limits(self, options: dict[str, Any]) -> None:
        if limits := {**getattr(self, "form_limits", {}), **(options.get("form_limits") or {})}:
            options["form_limits"] = limits

    def _build_info(self, path: str, endpoint: Any, methods: Any, declared: Mapping[str, Any]) -> RouteInfo:
        return build_info(self.surface, methods, declared, path=path, version=self.version, at=endpoint)

    def _require_includable(self, route: BaseRoute, path: str) -> None:
        """Raise `CodeError` if this router cannot include a route: it would have no guard, or another one."""
        if not isinstance(route, (Route, WebSocketRoute, Mount)):
            at = getattr(route, "app", None)
            raise CodeError(f"{path} is a {type(route).__name__}, which a Router cannot include.", at=at)
        info = get_info(route) if hasattr(route, "declared") else None
        surface, version = (info.surface, info.version) if info else (self.surface, self.version)
        if (surface, version) != (self.surface, self.version):
            differs = surface is not self.surface
            given = f"surface {surface}" if differs else f"version {version}"
            raise CodeError(
                f"{path} belongs to the {given} and cannot be included in one of "
                f"{self.surface if differs else self.version}. Export its router beside the other one.",
                at=getattr(route, "endpoint", None),
            )


def _info_dependencies(info: RouteInfo) -> list[Any]:
    """The dependencies that enforce a declaration beyond the guard of the surface."""
    principal = [Depends(current_principal)] if info.surface is Surface.AUTH and info.step_up is True else []
    return [*principal, *([Depends(info.guard)] if info.guard else [])]
