"""Builds values for a JSON schema and finds the IDs in it."""

import secrets
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any
from uuid import uuid4

Schema = Mapping[str, Any]
MAX_DEPTH = 6


class Samples:
    """Builds bodies for operations; `schemas` are the components of the OpenAPI document.

    `shared_ids` are names that look like IDs of tenant objects but are not.
    """

    def __init__(self, schemas: Schema, shared_ids: Collection[str]) -> None:
        self._schemas = schemas
        self._shared_ids = shared_ids

    def build(self, schema: Schema, depth: int = 0) -> Any:
        """Return a valid value: an example if there is one; otherwise an object with all properties."""
        schema = self.resolve(schema)
        given = next((schema[word] for word in ("example", "const", "default") if schema.get(word) is not None), None)
        listed = schema.get("examples") or schema.get("enum")
        if isinstance(listed, list) and listed:
            given = listed[0]
        return self._build_value(schema, depth) if given is None else deepcopy(given)

    def _build_value(self, schema: Schema, depth: int) -> Any:
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                return [self.build(schema.get("items", {}), depth + 1)] if depth < MAX_DEPTH else []
            case "integer" | "number":
                return schema.get("minimum", 1)
            case "boolean":
                return True
            case "string":
                return _string(schema)
        return None

    def ids(self, schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """Yield the paths of the IDs in a body, as tuples of names."""
        schema = self.resolve(schema)
        if len(path) > MAX_DEPTH:
            return
        for name, inner in schema.get("properties", {}).items():
            inner = self.resolve(inner)
            items = self.resolve(inner.get("items", {})) if inner.get("type") == "array" else {}
            if self.is_id(name, inner) or self.is_id(name.removesuffix("s"), items):
                yield (*path, name)
            elif inner.get("type") == "object":
                yield from self.ids(inner, (*path, name))

    def is_id(self, name: str, schema: Schema) -> bool:
        """Return whether a string with this name and schema is the ID of an object. A plain `id` is not."""
        if schema.get("type", "string") != "string" or name in self._shared_ids:
            return False
        return schema.get("format") == "uuid" or name.endswith("_id")

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        if depth >= MAX_DEPTH:
            return {}
        return {name: self.build(inner, depth + 1) for name, inner in schema.get("properties", {}).items()}

    def resolve(self, schema: Schema) -> Schema:
        """Return the schema with references resolved, and the first alternative that is not null."""
        while True:
            if "$ref" in schema:
                schema = self._schemas[schema["$ref"].rpartition("/")[2]]
            elif kinds := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
                others = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf", "allOf")}
                schema = {**next((kind for kind in kinds if kind.get("type") != "null"), {}), **others}
            else:
                return schema


def set_at_path(body: Any, path: tuple[str, ...], value: str) -> Any:
    """Return the body with this value at the path, in a list if the name is plural."""
    changed = deepcopy(body) if isinstance(body, dict) else {}
    inside = changed
    for name in path[:-1]:
        if not isinstance(inside.get(name), dict):
            inside[name] = {}
        inside = inside[name]
    inside[path[-1]] = [value] if path[-1].endswith("s") and not path[-1].endswith("_id") else value
    return changed


def _string(schema: Schema) -> str:
    match schema.get("format"):
        case "uuid":
            return str(uuid4())
        case "email":
            return f"{secrets.token_hex(6)}@example.com"
        case "date-time":
            return "2090-01-01T00:00:00Z"
        case "uri":
            return "https://example.com/"
    least, most = schema.get("minLength", 1), schema.get("maxLength", 1000)
    return str(("sample" + "x" * least)[: max(least, min(most, 10))])
