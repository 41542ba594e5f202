"""Finds where the code of the application uses a name."""

import ast
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import undercroft
from undercroft.app.registry import get_registry
from undercroft.core.telemetry.origin import relative_path

_SKIPPED = frozenset({"tests", "migrations", "testing", "devstack", "lint", "explain"})


def find_uses(pattern: str, *, mentioning: str, of: Any = None) -> list[str]:
    """`FILE:LINE` of each line that matches a pattern, in the files that contain `mentioning`.

    With `of`, only in files that import `mentioning` as the name of this object, or import nothing of that name.
    """
    wanted = re.compile(pattern)
    return [
        f"{relative_path(str(path))}:{number}"
        for path, text in _sources()
        if mentioning in text and (of is None or not _imports_another(text, mentioning, of))
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def _imports_another(text: str, name: str, this: Any) -> bool:
    """Whether a file imports another object of this name. Relative imports are not followed."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and not node.level and any(each.name == name for each in node.names):
            found = getattr(sys.modules.get(node.module or ""), name, this)
            if found is not this:
                return True
    return False


def find_quoted(text: str) -> list[str]:
    """`FILE:LINE` of each string literal with exactly this text."""
    return [
        f"{relative_path(str(path))}:{number}"
        for path, source in _sources()
        if text in source
        for number in _literals(path, source).get(text, ())
    ]


def _sources() -> Iterator[tuple[Path, str]]:
    """The files of the application with their texts: without those of disabled modules."""
    package, registry = Path(undercroft.__file__).parent, get_registry()
    disabled = tuple(package / "modules" / name for name in registry.disabled)
    for root in (package, *(module.folder for module in registry.extensions)):
        yield from (source for source in _read_all(root) if not _is_below(source[0], disabled))


def _is_below(path: Path, folders: Collection[Path]) -> bool:
    return any(folder in path.parents for folder in folders)


@cache
def _read_all(root: Path) -> tuple[tuple[Path, str], ...]:
    files = (path for path in sorted(root.rglob("*.py")) if not _SKIPPED & set(path.relative_to(root).parts))
    return tuple((path, path.read_text(encoding="utf-8")) for path in files)


@cache
def _literals(_path: Path, source: str) -> Mapping[str, list[int]]:
    """The lines of the string literals of a file."""
    found: dict[str, list[int]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.setdefault(node.value, []).append(node.lineno)
    return found
