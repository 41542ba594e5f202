"""What a document lacks: descriptions, examples, and responses that a typed client can use without narrowing them."""

from collections.abc import Iterator, Mapping
from typing import Any

from undercroft.core.http.openapi.examples import Examples, MissingExample, bodies
from undercroft.core.http.openapi.schemas import collect_schemas, properties


def find_gaps(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield one sentence for each missing description or example and each union in a response, and how to fix it."""
    schemas = document["components"]["schemas"]
    examples = Examples(schemas)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for gap in _operation_gaps(operation, examples):
                yield f"{method.upper()} {path}: {gap}"
    yield from _schema_gaps(schemas)
    yield from _unions(document["paths"], schemas)
    for tag in document["tags"]:
        if not tag.get("description"):
            yield f'The tag {tag["name"]} has no description. Add Tag("{tag["name"]}", "…").'


def _schema_gaps(schemas: Mapping[str, Any]) -> Iterator[str]:
    for component, schema in schemas.items():
        for name, field in properties(schema):
            if not field.get("description"):
                yield f'{component}.{name} has no description. Add Field(description="…").'


def _unions(paths: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    returned: set[str] = set()
    for path, item in paths.items():
        for method, operation in item.items():
            for part, content in bodies(operation):
                if part.startswith("response"):
                    collect_schemas(content, schemas, returned)
                    yield from _union_responses(f"{method.upper()} {path}: the {part}", content)
    for component in sorted(returned):
        for name, field in properties(schemas[component]):
            if _is_union(field):
                yield f"{component}.{name} is a union. Use one type, or a field for each."


def _union_responses(where: str, content: Mapping[str, Any]) -> Iterator[str]:
    if any(_is_union(media.get("schema", {})) for media in content.values()):
        yield f"{where} is a union. Return one schema."


def _is_union(schema: Mapping[str, Any]) -> bool:
    alternatives = schema.get("anyOf") or schema.get("oneOf") or ()
    return len([each for each in alternatives if each.get("type") != "null"]) > 1


def _operation_gaps(operation: Mapping[str, Any], examples: Examples) -> Iterator[str]:
    if not operation.get("description"):
        yield "it has no description. Add a docstring to the function."
    for parameter in operation.get("parameters", ()):
        if not parameter.get("description"):
            yield f'the parameter {parameter["name"]} has no description. Add Field(description="…").'
    for part, content in bodies(operation):
        for kind, media in content.items():
            if "example" not in media and "examples" not in media:
                yield f"the {part} has no example{_reason(kind, media, examples)}"


def _reason(kind: str, media: Mapping[str, Any], examples: Examples) -> str:
    try:
        examples.build(media["schema"])
    except MissingExample as missing:
        if str(missing):
            return f" of {missing}. Add Field(examples=[…])."
    return f" of {kind}. Declare response_model, or an example in responses."
