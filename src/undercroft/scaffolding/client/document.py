"""The OpenAPI document as the generator needs it, and the error codes of its operations."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

JSON = "application/json"
UNEXPECTED = "UNEXPECTED_RESPONSE"
"""The code of an error response that does not come from the application."""


def simplify(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a document that determines the client.

    Without what depends on the settings, such as the address of the server; without errors, which are `ApiError`; and
    without authentication, which the client adds itself. The fields of a body become parameters of the method:
    `api.projects.create({ name })`.
    """
    schemas = _without_examples(document["components"]["schemas"])
    paths = deepcopy(document["paths"])
    for item in paths.values():
        for operation in item.values():
            _simplify_operation(operation, schemas)
    info = {"title": "API", "version": "1"}
    tags = [{"name": tag["name"], "description": tag.get("description", "")} for tag in document["tags"]]
    return {
        "openapi": document["openapi"],
        "info": info,
        "paths": paths,
        "components": {"schemas": schemas},
        "tags": tags,
    }


def _simplify_operation(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    operation.pop("security", None)
    operation["responses"] = {
        status: {"description": response["description"], "content": _media(response)}
        for status, response in operation["responses"].items()
        if status.startswith("2")
    }
    # Browsers send If-None-Match themselves, and a client that sends it would get an empty 304.
    parameters = [each for each in operation.get("parameters", ()) if each["name"] != "If-None-Match"]
    operation["parameters"] = [_without_examples(each) for each in parameters]
    if body := operation.get("requestBody"):
        body["content"] = _media(body)
        names = {each["name"] for each in parameters}
        for media in body["content"].values():
            media["schema"] = _inline(media["schema"], schemas, names)


def _media(body: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: {"schema": media["schema"]} for kind, media in body.get("content", {}).items() if "schema" in media}


def _inline(schema: dict[str, Any], schemas: Mapping[str, Any], taken: set[str]) -> dict[str, Any]:
    """The object that a schema refers to, unless it accepts any fields or one has the name of a parameter."""
    found = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    fields = found.get("properties")
    if not fields or found.get("additionalProperties") or taken & set(fields):
        return schema
    return {name: value for name, value in found.items() if name not in ("title", "description")}


def _without_examples(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            name: {field: _without_examples(each) for field, each in value.items()}
            if name == "properties"
            else _without_examples(value)
            for name, value in node.items()
            if name == "properties" or name not in ("example", "examples")
        }
    return [_without_examples(each) for each in node] if isinstance(node, list) else node


def list_required_bodies(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield each operation of a simplified document that requires a JSON object, whose fields are its parameters."""
    for name, operation in list_operations(document):
        body = operation.get("requestBody", {})
        if body.get("required") and "properties" in body["content"].get(JSON, {}).get("schema", {}):
            yield name


def list_text_responses(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield each operation of a simplified document whose response is text, such as `application/jsonl`."""
    for name, operation in list_operations(document):
        responses = operation["responses"].values()
        media = [(kind, each["schema"]) for response in responses for kind, each in response["content"].items()]
        if media and all(kind != JSON and schema == {"type": "string"} for kind, schema in media):
            yield name


def list_operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all operations, each with its name, such as `PATCH /api/v1/app/users/me`."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def list_operation_codes(document: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the ID of each operation with the error codes that it documents, sorted."""
    for item in document["paths"].values():
        for operation in item.values():
            codes = set[str]()
            for response in operation["responses"].values():
                for media in response.get("content", {}).values():
                    codes.update(_error_codes(media))
            yield operation["operationId"], sorted(codes)


def _error_codes(media: Mapping[str, Any]) -> set[str]:
    is_error = media.get("schema", {}).get("$ref", "").endswith("/ErrorBody")
    return set(media.get("examples", ())) if is_error else set()
