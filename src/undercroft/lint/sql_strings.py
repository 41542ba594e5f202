"""Finds SQL strings in source code."""

import ast
import re
from collections.abc import Iterator

from undercroft.lint.sources import Source

_SQL_FUNCTIONS = frozenset(
    {"text", "execute", "executemany", "fetch", "fetchrow", "fetchval", "cursor", "exec_driver_sql", "DDL", "scalar"}
)
_SQL_KEYWORD = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COPY|LOCK|TABLE|WITH|SET)\b")


def find_sql_strings(source: Source) -> Iterator[tuple[ast.expr, str]]:
    """Yield all strings that may be SQL, except docstrings. Placeholders of f-strings are replaced by `x`."""
    for node in ast.walk(source.tree):
        text = _string_value(node)
        parent = source.parents.get(node)
        if text is None or isinstance(parent, ast.Expr | ast.JoinedStr):
            continue
        assert isinstance(node, ast.expr)
        if _SQL_KEYWORD.search(text):
            yield node, text
        elif (
            isinstance(parent, ast.Call)
            and _called_name(parent) in _SQL_FUNCTIONS
            and _SQL_KEYWORD.search(text.upper())
        ):
            yield node, text.upper()


def _string_value(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_string_value(part) or "x" for part in node.values)
    return None


def _called_name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
