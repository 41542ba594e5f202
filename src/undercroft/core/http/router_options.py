"""The options of routers and routes: FastAPI's, and those of `InfoOptions`, which also a plain `APIRouter` can have."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import Any, TypedDict, Unpack

from fastapi import Depends, params
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, get_name
from starlette.types import Lifespan

from undercroft.core.errors import CodeError
from undercroft.core.http.route_info import InfoOptions


class _FastAPIOptions(TypedDict, total=False):
    """FastAPI's options of routers, included routers and routes."""

    dependencies: Sequence[params.Depends] | None
    responses: dict[int | str, dict[str, Any]] | None
    deprecated: bool | None
    include_in_schema: bool
    callbacks: list[BaseRoute] | None
    generate_unique_id_function: Callable[[APIRoute], str]
    max_body_size: int | None
    form_limits: Any


class IncludeOptions(InfoOptions, _FastAPIOptions, total=False):
    """Options of an included router, which apply to all its routes."""

    prefix: str
    tags: list[str | Enum] | None
    default_response_class: type[Response]


class RouterOptions(InfoOptions, _FastAPIOptions, total=False):
    """Options of a router, which apply to all its routes, and its `lifespan`, which runs at startup and shutdown."""

    default_response_class: type[Response]
    strict_content_type: bool
    route_class: type[APIRoute]
    lifespan: Lifespan[Any] | None


class RouteOptions(InfoOptions, _FastAPIOptions, total=False):
    """Options of a route: those of `InfoOptions`, and FastAPI's."""

    strict_content_type: bool
    response_model: Any
    status_code: int | None
    tags: list[str | Enum] | None
    summary: str | None
    description: str | None
    response_description: str
    operation_id: str | None
    response_model_include: Any
    response_model_exclude: Any
    response_model_by_alias: bool
    response_model_exclude_unset: bool
    response_model_exclude_defaults: bool
    response_model_exclude_none: bool
    response_class: type[Response]
    name: str | None
    openapi_extra: dict[str, Any] | None


_INFO_NAMES = frozenset(InfoOptions.__annotations__)
_NAMES = frozenset(RouteOptions.__annotations__)
FASTAPI_OPTIONS = _NAMES - _INFO_NAMES


class _Declaration:
    """A dependency that does nothing, with the options of the routes that depend on it."""

    def __init__(self, options: InfoOptions) -> None:
        self.options = options

    async def __call__(self) -> None:
        """Do nothing: the options were read when the route was added."""


def declaration(**options: Unpack[InfoOptions]) -> Any:
    """Declare what is true of the routes of a plain `APIRouter`, in `dependencies` of the router or of a route.

        router = APIRouter(prefix="/rooms", dependencies=[declaration(permission="rooms:read")])

    An option of a route replaces the one of its router.
    """
    return Depends(_Declaration(options))


def split_declarations(dependencies: Iterable[Any]) -> tuple[dict[str, Any], list[Any]]:
    """The options that `declaration` adds to these dependencies, and all others."""
    declared: dict[str, Any] = {}
    others = []
    for each in dependencies:
        if isinstance(each.dependency, _Declaration):
            declared = combine_options(declared, each.dependency.options)
        else:
            others.append(each)
    return declared, others


def split_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of `InfoOptions`, and all others."""
    declared = {name: value for name, value in options.items() if name in _INFO_NAMES}
    return declared, {name: value for name, value in options.items() if name not in _INFO_NAMES}


def combine_options(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """The inner options and those of the outer ones that they do not replace. Refused API keys stay refused."""
    combined = {**outer, **inner}
    if errors := (*outer.get("errors", ()), *inner.get("errors", ())):
        combined["errors"] = errors
    if outer.get("api_keys") is False:
        combined["api_keys"] = False
    return combined


def check_names(options: Mapping[str, Any], endpoint: Callable[..., Any]) -> None:
    """Raise `CodeError` for an option that a route does not have."""
    for name in options.keys() - _NAMES:
        close = get_close_matches(name, _NAMES, 1)
        hint = f"Did you mean {close[0]}?" if close else "Remove it."
        raise CodeError(f"{get_name(endpoint)}: a route has no option {name}. {hint}", at=endpoint)
