"""Parameters and body fields that a route still accepts, but that are declared with `deprecated`.

A request that contains one is counted, and its response has the headers of `core.http.deprecation`, also if it fails.
Only routes with such inputs look for them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from fastapi.routing import APIRoute, APIWebSocketRoute
from msgspec import Struct
from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo
from starlette.datastructures import FormData
from starlette.requests import Request

from undercroft.core.http._fastapi import parameter_fields, read_body
from undercroft.core.http.deprecation import Deprecation, build_headers
from undercroft.core.http.query import get_query_models
from undercroft.core.http.route_info import get_info

Place = Literal["query", "header", "cookie", "body", "response"]
Names = tuple[str, ...]
"""The names that a field accepts, the documented one first. Without any, it is a value of a dictionary."""


class DeprecatedInput(Struct, frozen=True):
    """A parameter, or a field at a path in the body. `deprecation` is None if it was declared without dates."""

    place: Place
    path: tuple[Names, ...]
    deprecation: Deprecation | None
    text: str = ""

    @property
    def name(self) -> str:
        """The name in the request, such as `guests.state`."""
        return ".".join(names[0] if names else "*" for names in self.path)

    def describe(self) -> str:
        """What it is, in one line: `query parameter q: Deprecated since 2026-12-01. Use search.`"""
        kind = {"body": "body field", "response": "response field"}.get(self.place, f"{self.place} parameter")
        text = self.deprecation.describe() if self.deprecation else self.text
        return f"{kind} `{self.name}`: {text or 'Deprecated.'}"


def find_deprecated_inputs(route: Any) -> list[DeprecatedInput]:
    """Return the deprecated parameters and body fields of a route; without an own schema, it has none."""
    return [each for each in find_deprecated_fields(route) if each.place != "response"]


def find_deprecated_fields(route: Any) -> list[DeprecatedInput]:
    """Return the deprecated parameters, body fields and response fields of a route."""
    if not isinstance(route, (APIRoute, APIWebSocketRoute)):
        return []
    found = [each for place, field in parameter_fields(route) for each in _parameters(place, field)]
    if isinstance(route, APIRoute):
        for model in get_query_models(route):
            found += _inputs("query", _fields_of(model))
        for place, annotation in _bodies(route):
            found += _inputs(place, _fields_of(annotation))
    return list(dict.fromkeys(found))


def report_deprecated_inputs(request: Request, inputs: Iterable[DeprecatedInput]) -> None:
    """Count the deprecated inputs of a request, and add headers about them to its response."""
    used = [each for each in inputs if _is_used(each, request)]
    if not used:
        return
    from undercroft.core.telemetry.metrics import DEPRECATED_INPUTS

    for each in used:
        DEPRECATED_INPUTS.labels(request.method, request.scope["state"]["route_template"], each.place, each.name).inc()
    dated = [each.deprecation for each in used if each.deprecation is not None]
    if not dated:
        return
    headers = request.scope["state"]["response_headers"]
    own = get_info(request.scope["route"]).deprecation
    links = [value for name, value in headers if name == b"link"] if own else []
    added = build_headers([own, *dated] if own else dated)
    headers[:] = [each for each in headers if each[0] not in (b"deprecation", b"sunset")]
    headers += [each for each in added if each[1] not in links]


def _parameters(place: Place, field: Any) -> Iterator[DeprecatedInput]:
    """The input of a parameter, or those of the model that reads several ones."""
    if (model := _model(field.field_info.annotation)) is not None:
        for (names, *_), info in _fields_of(model):
            own = tuple(each.replace("_", "-") for each in names) if place == "header" else names
            yield _input(place, (own,), info)
    elif field.field_info.deprecated:
        yield _input(place, ((field.alias,),), field.field_info)


def _bodies(route: APIRoute) -> Iterator[tuple[Place, Any]]:
    if route.body_field is not None:
        yield "body", route.body_field.field_info.annotation
    if route.response_field is not None:
        yield "response", route.response_field.field_info.annotation


def _inputs(place: Place, fields: Iterable[tuple[tuple[Names, ...], FieldInfo]]) -> Iterator[DeprecatedInput]:
    return (_input(place, path, field) for path, field in fields)


def _input(place: Place, path: tuple[Names, ...], field: FieldInfo) -> DeprecatedInput:
    declared = field.deprecated
    if isinstance(declared, Deprecation):
        return DeprecatedInput(place, path, declared)
    return DeprecatedInput(place, path, None, field.deprecation_message or "")


def _fields_of(
    annotation: Any, path: tuple[Names, ...] = (), outer: tuple[type, ...] = ()
) -> Iterator[tuple[tuple[Names, ...], FieldInfo]]:
    """The deprecated fields of all models in an annotation, with their paths; a list is not part of a path."""
    model = _model(annotation)
    if model is None:
        arguments = get_args(annotation)
        is_dict = isinstance(kind := get_origin(annotation), type) and issubclass(kind, Mapping)
        for each in arguments[1:] if is_dict else arguments:
            yield from _fields_of(each, (*path, ()) if is_dict else path, outer)
    elif model not in outer:
        for name, field in model.model_fields.items():
            own = path if model.__pydantic_root_model__ else (*path, _names(model, name, field))
            if field.deprecated:
                yield own, field
            yield from _fields_of(field.annotation, own, (*outer, model))


def _model(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _names(model: type[BaseModel], name: str, field: FieldInfo) -> Names:
    alias = field.validation_alias or field.alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    names = [each for each in choices if isinstance(each, str)]
    by_name = model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name")
    return (*names, name) if by_name or not names else tuple(names)


def _is_used(each: DeprecatedInput, request: Request) -> bool:
    match each.place:
        case "query":
            return _contains(request.query_params, each.path)
        case "header":
            return any(name in request.headers for name in each.path[0])
        case "cookie":
            return _contains(request.cookies, each.path)
    return _contains(read_body(request), each.path)


def _contains(value: Any, path: tuple[Names, ...]) -> bool:
    if not path:
        return True
    if isinstance(value, list):
        return any(_contains(each, path) for each in value)
    if not isinstance(value, Mapping | FormData):
        return False
    names, *rest = path
    found = [value[name] for name in names if name in value] if names else list(value.values())
    return any(_contains(each, tuple(rest)) for each in found)
