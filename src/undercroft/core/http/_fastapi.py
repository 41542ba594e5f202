"""The private and undocumented names of FastAPI and Starlette that this project uses: a new release may change them.

Nothing else imports them; `make check` fails when another file does.
"""

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

from fastapi import APIRouter, Depends
from fastapi._compat.v2 import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_parameterless_sub_dependant
from fastapi.routing import APIRoute
from starlette._utils import get_route_path as get_route_path


def dependency_calls(route: APIRoute) -> Iterator[Any]:
    """The endpoint and the callables that it depends on, each before its own dependencies."""
    return (each.call for each in _walk(route.dependant))


def depends_on(route: APIRoute, call: Callable[..., Any]) -> bool:
    """Whether a route depends on a callable, directly or not."""
    return any(each is call for each in dependency_calls(route))


def with_last_dependency(route: APIRoute, call: Callable[..., Any]) -> APIRoute:
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


def routes_version(router: APIRouter) -> int:
    """A number that changes with the router's routes."""
    return router._get_routes_version()


def mark_routes_changed(router: APIRouter) -> None:
    """Tell a router that its list of routes was changed directly."""
    router._mark_routes_changed()


def path_parameter_types(route: APIRoute) -> dict[str, Any]:
    """The types of the path parameters that a route and its dependencies read, by name."""
    fields = (field for each in _walk(route.dependant) for field in each.path_params)
    return {field.alias: field.field_info.annotation for field in fields}


def _walk(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _walk(each)


def _parameters(dependant: Dependant) -> Iterator[ModelField]:
    for each in _walk(dependant):
        for name in ("path_params", "query_params", "header_params", "cookie_params", "body_params"):
            yield from getattr(each, name)
