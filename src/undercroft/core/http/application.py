"""The FastAPI application, with its own dispatcher and middleware stack."""

from collections.abc import Iterable
from copy import copy
from typing import Any, TypeVar, Unpack, cast

from fastapi import APIRouter, FastAPI
from fastapi.datastructures import DefaultPlaceholder
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.exceptions import HTTPException, WebSocketException
from starlette.middleware.base import BaseHTTPMiddleware  # undercroft: allow middleware because it is refused here
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from undercroft.core.cache import Cache, RedisSettings
from undercroft.core.context import CURRENT, AppContext, use_context
from undercroft.core.errors import CodeError, Unauthorized
from undercroft.core.http import assets, builtin_routes
from undercroft.core.http._fastapi import include, mark_routes_changed, routes_version, settle_telemetry
from undercroft.core.http.dispatcher import Dispatcher, Gate
from undercroft.core.http.errors import ErrorHandler
from undercroft.core.http.extended_schemas import ExtendedSchemas
from undercroft.core.http.lazy_route import LazyRoute
from undercroft.core.http.limits import Limiter
from undercroft.core.http.middleware.cors import Cors
from undercroft.core.http.openapi.operation_ids import operation_id
from undercroft.core.http.route_info import Surface, get_info
from undercroft.core.http.router import Router
from undercroft.core.http.router_options import IncludeOptions, split_options
from undercroft.core.http.settings import HttpSettings
from undercroft.core.http.stack import stack
from undercroft.core.http.versions import deprecate_superseded, list_versions, move_route
from undercroft.core.settings import CoreSettings, load

R = TypeVar("R", bound=BaseRoute)


async def _raise(_request: Request, error: Exception) -> Response:
    raise error


_UNHANDLED: dict[Any, Any] = dict.fromkeys((HTTPException, WebSocketException), _raise)
"""Exceptions that Starlette would handle. Not even a handler of all `AppError` gets `Unauthorized`, which the limits of
failed authentications count."""


def mount_route(route: R, mount: str) -> R:
    """Return a copy of a route with a path inserted after the prefix of its surface."""
    mounted = copy(route)
    if mount and isinstance(mounted, (Route, WebSocketRoute)):
        prefix = get_info(route).prefix
        move_route(mounted, f"{prefix}{mount}{mounted.path.removeprefix(prefix)}")
    return mounted


class Api(FastAPI):
    """A FastAPI application that dispatches by table, inside the fixed middleware stack of `core.http.stack`.

    It serves `/docs`, `/openapi.json`, `/metrics` and `/assets/…`. The application, its cache and its rate limiter are
    components of `context`, which is current during requests and the lifespan. Middleware, exception handlers and
    instrumentation are added as to any FastAPI application; `docs/fastapi.md` lists the differences.
    """

    def __init__(
        self,
        *,
        version: str,
        lifespan: Lifespan[Any] | None = None,
        cache: Cache | None = None,
        context: AppContext | None = None,
        surface: str = "all",
    ) -> None:
        self.context = AppContext() if context is None else context
        self.surface = surface
        with use_context(self.context):
            title, redis = load(CoreSettings).app_name, load(RedisSettings)
        super().__init__(
            title=title,
            version=version,
            lifespan=lifespan,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self.exception_handlers.clear()  # FastAPI's own, instead of which `core.http.errors` handles the exceptions
        cache = self.context.add(Cache, Cache(redis) if cache is None else cache)
        self.context.add(Limiter, Limiter(cache))
        self.context.add(Gate, Gate())
        self.context.add(Api, self)
        self._documents: dict[int, dict[str, Any]] = {}
        self._documented: int | None = None
        self.router.routes.extend([*builtin_routes.routes(), *assets.routes()])

    def add(self, routers: Iterable[APIRouter], *, mount: str = "") -> None:
        """Add the routes of these routers in their order, each with a readable operation id.

        `mount` is a path between the prefix of the surface and the routes.
        """
        for router in routers:
            self.router.routes.extend(self._copy_route(route, mount) for route in router.routes)
        deprecate_superseded(self.router.routes)
        mark_routes_changed(self.router)

    def _copy_route(self, route: BaseRoute, mount: str) -> BaseRoute:
        """A copy that belongs to this application, because the same router may be in several applications."""
        route = mount_route(route, mount)
        if isinstance(route, APIWebSocketRoute):
            return self._copy_websocket(route)
        if not isinstance(route, APIRoute):
            return route
        route.dependency_overrides_provider = self
        schemas = self.context.find(ExtendedSchemas)
        if schemas and isinstance(route, LazyRoute):
            route.replace_schemas(schemas.replace)
        if isinstance(route.generate_unique_id_function, DefaultPlaceholder):
            route.operation_id = route.operation_id or operation_id(route)
        return route

    def _copy_websocket(self, route: APIWebSocketRoute) -> BaseRoute:
        copied: Any = APIWebSocketRoute(
            route.path,
            route.endpoint,
            name=route.name,
            dependencies=route.dependencies,
            dependency_overrides_provider=self,
        )
        copied.info = get_info(route)
        return cast(BaseRoute, copied)

    def include_router(self, router: APIRouter, **options: Unpack[IncludeOptions]) -> None:
        """Add the routes that a router has now, as a router of its surface does; a plain one belongs to `root`."""
        surface = router.surface if isinstance(router, Router) else Surface.ROOT
        outer = Router(surface=surface, version=getattr(router, "version", 1), include_in_schema=True)
        declared, others = split_options(options)
        for included in include(self.router, router, others):
            outer.add_included(included, outer.base, declared)
        self.add([outer])

    def add_middleware(self, middleware_class: Any, *args: Any, **kwargs: Any) -> None:
        """Add pure ASGI middleware around the routes, inside the stack. Raises `CodeError` for `BaseHTTPMiddleware`."""
        if isinstance(middleware_class, type) and issubclass(middleware_class, BaseHTTPMiddleware):
            raise CodeError(
                f"{middleware_class.__name__} runs the application in another task, which loses the context of the "
                "request and takes longer than all other middleware. Write it as pure ASGI middleware: a class with "
                "__init__(app) and async __call__(scope, receive, send).",
                at=kwargs.get("dispatch", middleware_class),
            )
        super().add_middleware(middleware_class, *args, **kwargs)

    def frontend(self, path: str, **_options: Any) -> None:
        """Not supported: its files would be served without limits."""
        raise CodeError(f"Api.frontend({path!r}) is not supported. Mount StaticFiles instead.", at=type(self))

    def build_middleware_stack(self) -> ASGIApp:
        settle_telemetry(self)
        dispatcher = self.context.add(Dispatcher, Dispatcher(self.router.routes, self.context.get(Gate)))
        any_host = frozenset(
            route.path for route in self.routes if isinstance(route, Route) and get_info(route).any_host
        )
        app = stack(self._wrap_routes(dispatcher), any_host=any_host, max_body_size=dispatcher.max_body_size)

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await self.router.lifespan(scope, receive, send)
            else:
                scope.setdefault("router", self.router)
                await app(scope, receive, send)

        return serve

    def apply_settings(self) -> None:
        """Use the origins and rate limits of the settings that changed at runtime from the next request on."""
        if (cors := self.context.find(Cors)) is not None:
            cors.allow(load(HttpSettings).cors_origins)
        if (dispatcher := self.context.find(Dispatcher)) is not None:
            dispatcher.update_limits()

    def _wrap_routes(self, app: ASGIApp) -> ASGIApp:
        """Add the exception handlers and the middleware of the application.

        As in FastAPI, its middleware sees the responses of handled exceptions, and unexpected exceptions.
        """
        handlers: dict[Any, Any] = dict(self.exception_handlers)
        unexpected = handlers.pop(500, None) or handlers.pop(Exception, None)
        if handlers:
            app = ExceptionMiddleware(app, {**_UNHANDLED, **handlers, Unauthorized: _raise})
        if self.user_middleware:
            app = ErrorHandler(app, expected_only=True)
        for middleware_class, args, kwargs in reversed(self.user_middleware):
            app = middleware_class(app, *args, **kwargs)
        return ErrorHandler(app, unexpected)

    @property
    def versions(self) -> list[int]:
        """The versions of the API that the application serves."""
        return list_versions(self.routes)

    def openapi(self, version: int = 1) -> dict[str, Any]:
        """The OpenAPI 3.1 document of a version, cached until routes are added. Raises `ApiVersionNotFound`."""
        state = routes_version(self.router)
        if self._documented != state:
            self._documents, self._documented = {}, state
        if version not in self._documents:
            from undercroft.core.http.openapi.document import build_openapi

            with use_context(self.context):
                self._documents[version] = build_openapi(self, version)
        return self._documents[version]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = CURRENT.set(self.context)  # not `use_context`, which takes a microsecond longer
        try:
            await super().__call__(scope, receive, send)
        finally:
            CURRENT.reset(token)
