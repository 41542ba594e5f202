"""The FastAPI application, with its own dispatcher and middleware stack."""

from collections.abc import Iterable
from copy import copy
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from undercroft.core.cache import Cache, RedisSettings
from undercroft.core.http import assets, docs, metrics_route
from undercroft.core.http._fastapi import mark_routes_changed, routes_version
from undercroft.core.http.dispatcher import Dispatcher
from undercroft.core.http.errors import ErrorHandler
from undercroft.core.http.limits import Limiter
from undercroft.core.http.openapi import build_openapi, operation_id
from undercroft.core.http.stack import stack
from undercroft.core.settings import CoreSettings, load


class Api(FastAPI):
    """A FastAPI application that dispatches by table, inside the fixed middleware stack of `core.http.stack`.

    It serves `/docs`, `/openapi.json`, `/metrics` and `/assets/…`. `state.cache` and `state.limiter` are set here; the
    authentication module sets `state.authenticator`. `add_middleware` raises: the stack is fixed.
    """

    def __init__(self, *, version: str, lifespan: Lifespan[Any] | None = None, cache: Cache | None = None) -> None:
        super().__init__(
            title=load(CoreSettings).app_name,
            version=version,
            lifespan=lifespan,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self.state.cache = cache if cache is not None else Cache(load(RedisSettings))
        self.state.limiter = Limiter(self.state.cache)
        self.router.routes.extend([*docs.routes(), *metrics_route.routes(), *assets.routes()])

    def add(self, routers: Iterable[APIRouter]) -> None:
        """Add the routes of these routers in their order, each with a readable operation id."""
        for router in routers:
            self.router.routes.extend(self._copy_route(route) for route in router.routes)
        mark_routes_changed(self.router)

    def _copy_route(self, route: BaseRoute) -> BaseRoute:
        """A copy that belongs to this application, because the same router may be in several applications."""
        if not isinstance(route, APIRoute):
            return route
        route = copy(route)
        route.dependency_overrides_provider = self
        route.operation_id = route.operation_id or operation_id(route)
        return route

    def add_middleware(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("The middleware stack is fixed: see undercroft.core.http.stack")

    def build_middleware_stack(self) -> ASGIApp:
        return stack(ErrorHandler(Dispatcher(self.router.routes)))

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document, cached until routes are added."""
        version = routes_version(self.router)
        if self.openapi_schema is None or self._openapi_routes_version != version:
            self.openapi_schema = build_openapi(self)
            self._openapi_routes_version = version
        return self.openapi_schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            scope["app"] = self
            await self.router.lifespan(scope, receive, send)
            return
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        scope["app"] = self
        scope["router"] = self.router
        await self.middleware_stack(scope, receive, send)
