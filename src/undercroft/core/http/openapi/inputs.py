"""Schemas of parameters and bodies without the `null` that Pydantic adds for a value that may be omitted."""

from typing import Any


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
