"""The private and undocumented names of FastAPI and Starlette that this project uses: a new release may change them.

Nothing else imports them; `make check` fails when another file does. CI tests the oldest supported FastAPI and the
newest.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from inspect import signature
from typing import Any, Literal, TypeVar

import fastapi.routing
from fastapi import APIRouter, Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_parameterless_sub_dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from msgspec import Struct
from starlette._utils import get_route_path as get_route_path
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import Scope

_IncludedRouter: Any = getattr(fastapi.routing, "_IncludedRouter", ())
"""What a router has in place of the routes of an included one. FastAPI before 0.140 copies these routes."""

_KNOWN_OPTIONS = signature(APIRoute.__init__).parameters
"""The options of a route: `max_body_size` and `form_limits` since FastAPI 0.164."""

R = TypeVar("R", bound=APIRoute)


def dependency_calls(route: APIRoute | APIWebSocketRoute) -> Iterator[Any]:
    """The endpoint and the callables that it depends on, each before its own dependencies."""
    return (each.call for each in _walk(route.dependant))


def depends_on(route: APIRoute | APIWebSocketRoute, call: Callable[..., Any]) -> bool:
    """Whether a route depends on a callable, directly or not."""
    return any(each is call for each in dependency_calls(route))


def with_last_dependency(route: R, call: Callable[..., Any]) -> R:
    """A copy of a route that calls one more dependency, after all others and before the endpoint."""
    route = copy(route)
    route.dependant = copy(route.dependant)
    last = get_parameterless_sub_dependant(depends=Depends(call), path=route.path_format)
    route.dependant.dependencies = [*route.dependant.dependencies, last]
    return route


def rebuild_validators(route: APIRoute) -> None:
    """Build the validators of everything that a route reads and returns. Raises what Pydantic raises."""
    fields = (route.body_field, route.response_field, route.stream_item_field, *route.response_fields.values())
    for field in (*filter(None, fields), *_parameters(route.dependant)):
        field._type_adapter.rebuild()


class IncludedRoute(Struct, frozen=True):
    """A route of a router or of a router that it includes: as it was made, with its full path and all its options."""

    source: BaseRoute
    effective: Any
    form_limits: Mapping[str, int]

    @property
    def path(self) -> str:
        return getattr(self.effective, "path", None) or ""

    def read_options(self, names: Collection[str]) -> dict[str, Any]:
        """The options with which FastAPI would make the route, as far as this release of FastAPI knows them."""
        known = [name for name in names if name in _KNOWN_OPTIONS and hasattr(self.effective, name)]
        options = {name: getattr(self.effective, name) for name in known}
        if getattr(self.effective, "stream_item_type", None):
            del options["response_model"]  # derived from the annotation of the generator
        own = getattr(self.source, "form_limits", {})
        return {**options, "form_limits": {**self.form_limits, **own}} if self.form_limits or own else options


def list_routes(routes: Iterable[BaseRoute], form_limits: Mapping[str, int] | None = None) -> Iterator[IncludedRoute]:
    """These routes, and in the place of an included router its routes."""
    limits = form_limits or {}
    for route in routes:
        if isinstance(route, _IncludedRouter):
            inner = {**limits, **getattr(route.include_context, "form_limits", {})}
            for candidate in route.effective_candidates():
                if isinstance(candidate, _IncludedRouter):
                    yield from list_routes([candidate], inner)
                else:
                    effective = candidate.starlette_route or candidate
                    yield IncludedRoute(candidate.original_route, effective, inner)
        else:
            yield IncludedRoute(route, route, limits)


def include(into: APIRouter, router: APIRouter, options: Mapping[str, Any]) -> Iterator[IncludedRoute]:
    """Include a router for its lifespan, and return the routes that this would add, with these options."""
    plain = APIRouter.__new__(APIRouter)  # a subclass may refuse some options with which FastAPI copies routes
    vars(plain).update(vars(into), routes=[])
    source = router if _IncludedRouter else _only_copied_routes(router)
    plain.include_router(source, **options)
    into.lifespan_context = plain.lifespan_context
    if _IncludedRouter:
        return list_routes(plain.routes)
    copies = {id(original): each for original, each in zip(source.routes, plain.routes, strict=True)}
    return (IncludedRoute(each, copies.get(id(each), each), {}) for each in router.routes)


def _only_copied_routes(router: APIRouter) -> APIRouter:
    """A copy of the router with the routes to which FastAPI before 0.140 gives the whole prefix of the other router."""
    router = copy(router)
    router.routes = [each for each in router.routes if isinstance(each, (APIRoute, APIWebSocketRoute))]
    return router


def included_routers(router: APIRouter) -> Iterator[APIRouter]:
    """The routers that a router includes itself."""
    return (route.original_router for route in router.routes if isinstance(route, _IncludedRouter))


def routes_version(router: APIRouter) -> int:
    """A number that changes with the router's routes."""
    return router._get_routes_version() if _IncludedRouter else len(router.routes)


def mark_routes_changed(router: APIRouter) -> None:
    """Invalidate what a router caches about its routes, after its list of routes was changed directly."""
    if _IncludedRouter:
        router._mark_routes_changed()


def path_parameter_types(route: APIRoute | APIWebSocketRoute) -> dict[str, Any]:
    """The types of the path parameters that a route and its dependencies read, by name."""
    fields = (field for each in _walk(route.dependant) for field in each.path_params)
    return {field.alias: field.field_info.annotation for field in fields}


def query_fields(route: APIRoute | APIWebSocketRoute) -> list[Any]:
    """The query parameters that a route and its dependencies read: fields with `alias` and `field_info`."""
    return [field for each in _walk(route.dependant) for field in each.query_params]


def parameter_fields(route: APIRoute | APIWebSocketRoute) -> Iterator[tuple[Literal["query", "header", "cookie"], Any]]:
    """The parameters that a route and its dependencies read outside the path and the body, each with its place."""
    for each in _walk(route.dependant):
        yield from (("query", field) for field in each.query_params)
        yield from (("header", field) for field in each.header_params)
        yield from (("cookie", field) for field in each.cookie_params)


def read_body(request: Request) -> Any:
    """The form or the JSON value that was read from the body of a request; None if none was."""
    form = getattr(request, "_form", None)
    return getattr(request, "_json", None) if form is None else form


TELEMETRY = "fastapi.telemetry"
"""The key of a scope that FastAPI's own telemetry observes."""


def select_route(scope: Scope, path: str) -> None:
    """Pass the route of a request to FastAPI's telemetry, which exists since FastAPI 0.160."""
    getattr(fastapi.routing, "_route_selected")(scope=scope, path=path)  # noqa: B009 - untyped


def settle_telemetry(app: FastAPI) -> None:
    """Turn FastAPI's telemetry off if no OpenTelemetry provider is configured, which it would check at each request."""
    telemetry = getattr(app, "_native_telemetry", None)
    if telemetry is not None and not telemetry.enabled():
        app._telemetry |= {"tracing": False, "metrics": False, "logs": False}


def _walk(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _walk(each)


def _parameters(dependant: Dependant) -> Iterator[Any]:
    for each in _walk(dependant):
        for name in ("path_params", "query_params", "header_params", "cookie_params", "body_params"):
            yield from getattr(each, name)
