"""Collects the examples of pages and docstrings as tests."""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"(?:^[ ]*@.*\n)*^([ ]*)(?:async )?def test_\w+\(.*\n(?:(?:\1[ ]+.*)?\n)*", re.MULTILINE)


def page_examples(page: Path) -> dict[str, Any]:
    """The names that the Python blocks of a Markdown page define, in one namespace."""
    text = page.read_text(encoding="utf-8")
    found: dict[str, Any] = {"__name__": page.stem}
    for block in FENCE.finditer(text):
        _run(block[1], text.count("\n", 0, block.start(1)), page, found)
    return {name: value for name, value in found.items() if name[:2] != "__"}


def docstring_examples(folder: Path, names: dict[str, Any]) -> dict[str, Any]:
    """The test functions in the docstrings of a folder's files; `names` are what they may use."""
    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.py")):
        for docstring in _docstrings(ast.parse(file.read_text(encoding="utf-8"))):
            for example in EXAMPLE.finditer(f"{docstring.value}\n"):
                if not example[0].rstrip().endswith("..."):
                    namespace = dict(names)
                    line = docstring.lineno + docstring.value.count("\n", 0, example.start())
                    _run(textwrap.dedent(example[0]), line - 1, file, namespace)
                    found |= {name: value for name, value in namespace.items() if name.startswith("test_")}
    return found


def _docstrings(tree: ast.Module) -> Iterator[Any]:
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str()) as text):
                yield text


def _run(source: str, lines_before: int, file: Path, namespace: dict[str, Any]) -> None:
    exec(compile("\n" * lines_before + source, str(file), "exec"), namespace)
