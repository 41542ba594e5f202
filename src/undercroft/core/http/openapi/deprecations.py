"""Marks deprecated operations, parameters and fields, and describes when they may be removed and what replaces them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi.routing import APIRoute

from undercroft.core.http.deprecated_inputs import DeprecatedInput, Names, find_deprecated_fields
from undercroft.core.http.route_info import get_info
from undercroft.core.http.versions import with_version

Schema = dict[str, Any]


def describe_deprecations(operation: Schema, route: APIRoute, schemas: Mapping[str, Schema]) -> None:
    """Complete an operation whose parameters and schemas have their descriptions."""
    info = get_info(route)
    if info.deprecation is not None:
        operation["deprecated"] = True
        successor = with_version(route.path_format, info.successor) if info.successor else None
        _add_note(operation, info.deprecation.describe(successor))
    for each in find_deprecated_fields(route):
        for declared in _declarations(operation, each, schemas):
            declared["deprecated"] = True
            if each.deprecation is not None:
                _add_note(declared, each.deprecation.describe())
    for parameter in operation.get("parameters", ()):
        parameter["schema"].pop("deprecated", None)  # it is a member of the parameter


def _add_note(declared: Schema, note: str) -> None:
    """Add a paragraph, once: several operations may use the same schema."""
    text = declared.get("description", "")
    if note not in text:
        declared["description"] = f"{text}\n\n{note}" if text else note


def _declarations(operation: Schema, each: DeprecatedInput, schemas: Mapping[str, Schema]) -> Iterator[Schema]:
    if each.place == "body":
        yield from _of_content(operation.get("requestBody", {}), each, schemas)
    elif each.place == "response":
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                yield from _of_content(response, each, schemas)
    else:
        names = {name.lower() for name in each.path[0]}
        listed = operation.get("parameters", ())
        yield from (found for found in listed if found["in"] == each.place and found["name"].lower() in names)


def _of_content(body: Schema, each: DeprecatedInput, schemas: Mapping[str, Schema]) -> Iterator[Schema]:
    for media in body.get("content", {}).values():
        yield from _find(media.get("schema", {}), each.path, schemas)


def _find(schema: Any, path: Sequence[Names], schemas: Mapping[str, Schema]) -> Iterator[Schema]:
    """The properties at a path; a list and an alternative have the path of their items."""
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        schema = schemas.get(schema["$ref"].rpartition("/")[2], {})
    for inner in (
        *schema.get("anyOf", ()),
        *schema.get("oneOf", ()),
        *schema.get("prefixItems", ()),
        schema.get("items"),
    ):
        yield from _find(inner, path, schemas)
    names, rest = path[0], path[1:]
    found = [schema.get("additionalProperties")]
    if names:
        properties = schema.get("properties", {})
        found = [properties[name] for name in names if name in properties]
    for each in found:
        if rest:
            yield from _find(each, rest, schemas)
        elif isinstance(each, dict):
            yield each
