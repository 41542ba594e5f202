"""The deprecated public names, read from the source, and where a file uses them."""

import ast
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from undercroft.lint.sources import Source

TABLE = Path(__file__).parents[1] / "core" / "deprecations.py"


@cache
def deprecated_names() -> dict[str, list[str]]:
    """Return the deprecated names by the package that has them."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(ast.parse(TABLE.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(
                func=ast.Name(id="DeprecatedName"), args=[_, ast.Constant("name"), ast.Constant(str(name)), *_]
            ):
                found.setdefault(name.rpartition(".")[0], []).append(name.rpartition(".")[2])
    return found


def find_uses(source: Source, names: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that import one of these dotted names, or use it as an attribute of its package."""
    for node in ast.walk(source.tree):
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                dotted = [(alias.lineno, f"{module}.{alias.name}") for alias in node.names]
            case ast.Attribute():
                dotted = [(node.lineno, source.qualified_name(node) or "")]
            case _:
                continue
        yield from ((line, name) for line, name in dotted if name in names)
