"""Descriptions of properties and parameters that their module does not describe itself."""

from collections.abc import Iterator, Mapping
from typing import Any

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
