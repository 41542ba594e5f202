"""Schemas of responses: all their properties are required, because a response contains those with a default too."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi.routing import APIRoute

_OMITTING = (
    "response_model_include",
    "response_model_exclude",
    "response_model_exclude_unset",
    "response_model_exclude_defaults",
    "response_model_exclude_none",
)


def require_returned_fields(document: Mapping[str, Any], routes: Iterable[APIRoute]) -> None:
    """Require all properties of the schemas that only responses use, unless a route omits some of them."""
    schemas = document["components"]["schemas"]
    omitting = {route.path_format for route in routes if any(getattr(route, option) for option in _OMITTING)}
    returned: set[str] = set()
    others: set[str] = set()
    for path, item in document["paths"].items():
        for operation in item.values():
            collect_schemas(operation["responses"], schemas, others if path in omitting else returned)
            collect_schemas([operation.get("requestBody"), operation.get("parameters")], schemas, others)
    for name in returned - others:
        if "properties" in schemas[name]:
            schemas[name]["required"] = list(schemas[name]["properties"])


def collect_schemas(node: Any, schemas: Mapping[str, Any], found: set[str]) -> None:
    """Add the names of the schemas that a part of the document refers to, directly or not."""
    for reference in _references(node):
        name = reference.removeprefix("#/components/schemas/")
        if name in schemas and name not in found:
            found.add(name)
            collect_schemas(schemas[name], schemas, found)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
