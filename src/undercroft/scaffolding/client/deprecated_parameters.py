"""Marks the deprecated parameters of the generated methods, which have no comments."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from undercroft.scaffolding.client.document import list_operations

_METHOD = re.compile(
    r"(?P<start>\(parameters\??: \{\n)(?P<fields>.*?)"
    r"(?P<end>\n    \}, options.*?\)(?:\.sse)?\.(?P<method>\w+)<[^\n]*\n.*?url: '(?P<url>[^']+)')",
    re.DOTALL,
)
_FIELD = re.compile(r"^ {8}'?(?P<name>[^\s?:']+)'?\??: ", re.MULTILINE)


def mark_deprecated_parameters(methods: str, document: Mapping[str, Any]) -> str:
    """Return the source of the methods with a `@deprecated` comment at each deprecated parameter."""
    deprecated = {name: dict(_deprecated(operation)) for name, operation in list_operations(document)}

    def mark_method(match: re.Match[str]) -> str:
        notes = deprecated[f"{match['method'].upper()} {match['url']}"]
        fields = _FIELD.sub(lambda field: _comment(notes.get(field["name"])) + field[0], match["fields"])
        return match["start"] + fields + match["end"]

    return _METHOD.sub(mark_method, methods)


def _deprecated(operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The names of the deprecated parameters and fields of an operation, each with the last paragraph about it."""
    declared = [(each["name"], each) for each in operation["parameters"]]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        declared += media["schema"].get("properties", {}).items()
    for name, each in declared:
        if each.get("deprecated"):
            yield name, each.get("description", "").rpartition("\n\n")[2].replace("*/", "* /")


def _comment(note: str | None) -> str:
    return "" if note is None else f"        /** {f'@deprecated {note}'.strip()} */\n"
