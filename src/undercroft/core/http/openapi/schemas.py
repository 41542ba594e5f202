"""Completes the schemas of a document: missing descriptions, inputs without `null`, and required outputs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi.routing import APIRoute

Schema = dict[str, Any]

DESCRIPTIONS = {
    "created_at": "Time of creation.",
    "created_by": "ID of the user who created it; null if the account was deleted.",
    "deleted_at": "Time of deletion; null if it is not deleted.",
    "description": "Description, shown to members.",
    "email": "Email address.",
    "expires_at": "Expiry time; null if there is none.",
    "id": "Unique ID.",
    "name": "Name, shown to members.",
    "slug": "Name in URLs.",
    "updated_at": "Time of the last change.",
}
"""Fields that mean the same in every module. A field `…_id` is described as the ID of its object."""

_OMITTING = (
    "response_model_include",
    "response_model_exclude",
    "response_model_exclude_unset",
    "response_model_exclude_defaults",
    "response_model_exclude_none",
)


def describe_schemas(schemas: Mapping[str, Schema]) -> None:
    """Add the missing descriptions of all properties."""
    for schema in schemas.values():
        for name, field in properties(schema):
            _describe(name, field, field, schemas)


def describe_parameters(operation: Mapping[str, Any], schemas: Mapping[str, Schema]) -> None:
    """Add the missing descriptions of an operation's parameters."""
    for parameter in operation.get("parameters", ()):
        _describe(parameter["name"], parameter, parameter["schema"], schemas)


def properties(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The properties of an object and of the objects declared inside it."""
    for name, field in schema.get("properties", {}).items():
        yield name, field
        yield from properties(field)


def _describe(name: str, target: Schema, schema: Schema, schemas: Mapping[str, Schema]) -> None:
    if target.get("description"):
        return
    description = _own(schema) or _known(name) or _of_type(schema, schemas)
    if description:
        target["description"] = description


def _own(schema: Schema) -> str:
    """The description of an annotated type, which Pydantic leaves in the alternatives of `X | None`."""
    return next((each["description"] for each in (schema, *schema.get("anyOf", ())) if "description" in each), "")


def _known(name: str) -> str:
    if name in DESCRIPTIONS:
        return DESCRIPTIONS[name]
    return f"ID of the {name.removesuffix('_id').replace('_', ' ')}." if name.endswith("_id") else ""


def _of_type(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    """The description of the object or enumeration that a property refers to."""
    for each in (schema, *schema.get("anyOf", ())):
        if "$ref" in each:
            return str(schemas[each["$ref"].rpartition("/")[2]].get("description", ""))
    return ""


def omit_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema without `null`, which no URL or header can contain: it is omitted instead."""
    others = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(others) != 1:
        return schema
    more = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**others[0], **more}


def simplify_inputs(operation: dict[str, Any]) -> None:
    """Remove `null` from the schemas of an operation's parameters and of its optional body."""
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = omit_null(parameter["schema"])
    body = operation.get("requestBody", {})
    if not body.get("required", False):
        for media in body.get("content", {}).values():
            media["schema"] = omit_null(media["schema"])


def require_returned_fields(document: Mapping[str, Any], routes: Iterable[APIRoute]) -> None:
    """Require all properties of the schemas that only responses use, unless a route omits some of them.

    A response contains those with a default too.
    """
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
