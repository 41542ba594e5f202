"""The operations of an application and the IDs in their parameters."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi.routing import APIRoute, APIWebSocketRoute
from pydantic import TypeAdapter
from starlette.routing import BaseRoute

from undercroft.app.registry import Registry
from undercroft.core.http import Surface, depends_on, get_info, path_parameter_types
from undercroft.core.http._fastapi import query_fields
from undercroft.core.http.application import Api
from undercroft.core.http.guards import current_principal
from undercroft.core.http.route_info import WEBSOCKET
from undercroft.core.http.versions import with_version
from undercroft.testing.attack.samples import Samples

BODY_MEDIA_TYPES = ("application/json", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Operation:
    """One method of one path. `path_ids`, `query_ids` and `body_ids` are the names of its IDs."""

    method: str
    path: str
    path_ids: tuple[str, ...]
    other_path_params: tuple[str, ...]
    query: Mapping[str, Any]
    query_ids: tuple[str, ...]
    body: Any
    body_kind: str
    body_ids: tuple[tuple[str, ...], ...]
    requires_principal: bool

    @property
    def is_admin_route(self) -> bool:
        return with_version(self.path, 1).startswith(f"{Surface.ADMIN.prefix}/")

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations(app: Api) -> Iterator[Operation]:
    """Yield all operations of an application, including those that are not in the OpenAPI schema."""
    parts = app.context.get(Registry).parts("testing")
    shared_ids = {name for part in parts for name in getattr(part, "SHARED_IDS", {})}
    for version in app.versions:
        document = app.openapi(version)
        samples = Samples(document.get("components", {}).get("schemas", {}), shared_ids)
        yield from _operations(
            document, [each for each in app.router.routes if get_info(each).version == version], samples
        )


def _operations(document: Mapping[str, Any], routes: Iterable[BaseRoute], samples: Samples) -> Iterator[Operation]:
    for route in routes:
        if isinstance(route, APIRoute):
            for method in sorted(route.methods or ()):
                described = document["paths"].get(route.path_format, {}).get(method.lower(), {})
                yield _build_operation(route, method, described, samples)
        elif isinstance(route, APIWebSocketRoute):
            yield _build_websocket_operation(route, samples)


def _build_websocket_operation(route: APIWebSocketRoute, samples: Samples) -> Operation:
    """The handshake of a WebSocket, which OpenAPI does not describe."""
    schemas = {field.alias: TypeAdapter(field.field_info.annotation).json_schema() for field in query_fields(route)}
    required = {field.alias for field in query_fields(route) if field.field_info.is_required()}
    parameters = [
        {"in": "query", "name": name, "schema": schema, "required": name in required}
        for name, schema in schemas.items()
    ]
    return _build_operation(route, WEBSOCKET, {"parameters": parameters}, samples)


def _build_operation(
    route: APIRoute | APIWebSocketRoute, method: str, described: Mapping[str, Any], samples: Samples
) -> Operation:
    names = list(route.param_convertors)
    types = path_parameter_types(route)
    ids = tuple(name for name in names if types.get(name) is UUID or name == "id" or samples.is_id(name, {}))
    query = [each for each in described.get("parameters", ()) if each["in"] == "query"]
    kind, schema = _request_body(described)
    return Operation(
        method=method,
        path=route.path_format,
        path_ids=ids,
        other_path_params=tuple(name for name in names if name not in ids),
        query={each["name"]: samples.build(each["schema"]) for each in query if each.get("required")},
        query_ids=tuple(each["name"] for each in query if samples.is_id(each["name"], samples.resolve(each["schema"]))),
        body=samples.build(schema) if schema else None,
        body_kind=kind,
        body_ids=tuple(samples.ids(schema)) if schema else (),
        requires_principal=depends_on(route, current_principal),
    )


def _request_body(described: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    content = described.get("requestBody", {}).get("content", {})
    for kind in BODY_MEDIA_TYPES:
        if kind in content:
            schema = dict(content[kind].get("schema", {}))
            examples = content[kind].get("examples")
            if isinstance(examples, dict) and examples:
                schema["examples"] = [next(iter(examples.values()))["value"]]
            return kind, schema
    return "", None
