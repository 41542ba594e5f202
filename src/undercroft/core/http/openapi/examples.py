"""Examples of bodies, composed from those of their fields."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

Schema = Mapping[str, Any]

ID_EXAMPLE = "0198f3c2-7a41-7c3e-9d55-0b6f1f2f7a10"
TIME_EXAMPLE = "2026-11-21T14:03:07.120000Z"
EXAMPLES = {
    "description": "The new website.",
    "email": "ada@example.com",
    "name": "Website",
    "slug": "acme",
}
"""Texts of fields that mean the same in every module, by name."""
FORMAT_EXAMPLES = {
    "date": "2026-11-21",
    "date-time": TIME_EXAMPLE,
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uuid": ID_EXAMPLE,
}


class MissingExample(Exception):
    """No example can be derived for the field at this path."""


class RecursiveExample(MissingExample):
    """The field contains an object of the type that contains it."""


class Examples:
    """Composes examples; `schemas` are the components of the document.

    The example of a field is the first of its `examples`, or it follows from its name (`EXAMPLES`) or its type. If an
    object has an example of its own, only its missing required properties are added.
    """

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas
        self._open: list[str] = []

    def build(self, schema: Schema, name: str = "", path: str = "") -> Any:
        """A value of a schema. Raises `MissingExample`."""
        if "$ref" in schema:
            return self._component(schema["$ref"].rpartition("/")[2], schema, name)
        if "properties" in schema:
            return self._object(schema, path)
        for value in _given(schema, name):
            return value
        return self._derived(schema, name, path)

    def _component(self, component: str, outer: Schema, name: str) -> Any:
        if component in self._open:
            raise RecursiveExample(component)
        self._open.append(component)
        try:
            own = {key: value for key, value in outer.items() if key in ("examples", "default")}
            return self.build({**self._schemas[component], **own}, name, component)
        finally:
            self._open.pop()

    def _object(self, schema: Schema, path: str) -> Any:
        fields = schema["properties"]
        given = next(iter(schema.get("examples", ())), None)
        if given is None:
            return {name: self.build(field, name, f"{path}.{name}") for name, field in fields.items()}
        missing = [name for name in schema.get("required", ()) if name not in given]
        added = {name: self._added(fields[name], name, f"{path}.{name}") for name in missing}
        return {**given, **{name: self._nested(fields, name, given[name]) for name in given}, **added}

    def _added(self, field: Schema, name: str, path: str) -> Any:
        """A required property that the example of its object leaves out: null where possible."""
        return None if _is_nullable(field) else self.build(field, name, path)

    def _nested(self, fields: Schema, name: str, value: Any) -> Any:
        field = fields.get(name, {})
        if isinstance(value, dict) and "$ref" in field:
            return self.build({**field, "examples": [value]}, name)
        return value

    def _derived(self, schema: Schema, name: str, path: str) -> Any:
        if alternatives := schema.get("anyOf") or schema.get("oneOf"):
            return self._first(alternatives, name, path)
        match schema.get("type"):
            case "array":
                return self._array(schema["items"], name, path)
            case "object":
                inner = schema.get("additionalProperties")
                return {"name": self.build(inner, "", path)} if isinstance(inner, dict) and inner else {}
            case "boolean":
                return True
            case "integer" | "number" as kind:
                least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
                return int(least) if kind == "integer" else least
            case "null":
                return None
            case None if name:  # any JSON value
                return None
        raise MissingExample(path)

    def _first(self, alternatives: list[Schema], name: str, path: str) -> Any:
        """An example of the first alternative that does not contain the object itself."""
        for alternative in alternatives:
            try:
                return self.build(alternative, name, path)
            except RecursiveExample:
                continue
        raise RecursiveExample(path)

    def _array(self, items: Schema, name: str, path: str) -> list[Any]:
        try:
            return [self.build(items, name.removesuffix("s"), path)]
        except RecursiveExample:
            return []


def add_examples(document: Mapping[str, Any]) -> None:
    """Add an example to every request body and to every successful response that has none."""
    schemas = document["components"]["schemas"]
    examples = Examples(schemas)
    for item in document["paths"].values():
        for operation in item.values():
            for _, content in bodies(operation):
                for media in content.values():
                    _add_example(media, examples)
    for name, schema in schemas.items():
        if schema.get("examples") and "properties" in schema:
            schema["examples"] = [examples.build({"$ref": name})]


def bodies(operation: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, dict[str, Any]]]]:
    """The request body and the successful responses of an operation: what it is, and its content."""
    yield "request body", operation.get("requestBody", {}).get("content", {})
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            yield f"response {status}", response.get("content", {})


def _add_example(media: dict[str, Any], examples: Examples) -> None:
    if "example" in media or "examples" in media:
        return
    with suppress(MissingExample):
        media["example"] = examples.build(media["schema"])


def _is_nullable(schema: Schema) -> bool:
    return any(each.get("type") == "null" for each in schema.get("anyOf", ()))


def _given(schema: Schema, name: str) -> Iterator[Any]:
    """The values that a schema or the name of a field determines."""
    yield from schema.get("examples", ())
    yield from (schema["const"],) if "const" in schema else ()
    yield from schema.get("enum", ())
    if name in EXAMPLES and _fits(EXAMPLES[name], schema):
        yield EXAMPLES[name]
    if schema.get("default") is not None:
        yield schema["default"]
    if schema.get("format") in FORMAT_EXAMPLES:
        yield FORMAT_EXAMPLES[schema["format"]]


def _fits(text: str, schema: Schema) -> bool:
    """Whether the example of a field's name also has the field's type, length and pattern."""
    is_long_enough = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
    return schema.get("type") == "string" and is_long_enough and re.search(schema.get("pattern", ""), text) is not None
