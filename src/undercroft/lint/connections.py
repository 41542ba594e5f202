"""Rules about connections and layers, whatever they are used for."""

import ast
import re
from collections.abc import Iterator

from undercroft.lint.sources import Index, Source
from undercroft.lint.texts import sql_texts

Found = tuple[ast.expr | ast.stmt, str, str]

ASKS = frozenset({"execute", "scalar", "scalars", "get", "fetch", "fetchrow", "write_one", "rowcount", "stream"})
STAYS = (
    "this setting stays on the connection for the next borrower; use SET LOCAL, or set_config(…, true), inside a "
    "transaction"
)
ENDS = "a transaction that belongs to whoever opened the session; leave its block to commit, raise to roll back"
BELONGS = "is a query; make it a named method in repository.py of the module that owns the table"
SLOW = "BaseHTTPMiddleware costs as much as a statement; write a pure ASGI class"
ASKED_ELSEWHERE = ("routes", "pages", "service")
_SET = re.compile(
    r"(?:^|;)\s*SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)(?:SESSION\s+)?"
    r"(?:ROLE\b|AUTHORIZATION\b|CHARACTERISTICS\b|TIME\s+ZONE\b|[\w.\"]+\s*(?:=|TO\b))"
)
_CONFIG = re.compile(r"\bset_config\s*\([^()]*,[^()]*,\s*(?:false|'f\w*'|'off'|'0')\s*\)", re.IGNORECASE)


def findings(source: Source, _index: Index) -> Iterator[Found]:
    yield from _settings(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _endings(node, node.func)
            yield from _places(source, node, node.func)
            yield from _set_config(node, node.func)
        yield from _middleware(node)


def _settings(source: Source) -> Iterator[Found]:
    for node, text in sql_texts(source):
        if _SET.search(text) or _CONFIG.search(text):
            yield node, "session-setting", STAYS


def _set_config(call: ast.Call, function: ast.Attribute) -> Iterator[Found]:
    last = call.args[2] if len(call.args) == 3 else None
    if function.attr == "set_config" and not (isinstance(last, ast.Constant) and last.value is True):
        yield call, "session-setting", STAYS


def _endings(call: ast.Call, function: ast.Attribute) -> Iterator[Found]:
    if function.attr in ("commit", "rollback") and not call.args and not call.keywords:
        yield call, "transaction", f"{function.attr}() ends {ENDS}"


def _places(source: Source, call: ast.Call, function: ast.Attribute) -> Iterator[Found]:
    parts = source.module.split(".")[-2:]
    if function.attr in ASKS and any(part in ASKED_ELSEWHERE for part in parts) and _is_session(function.value):
        yield call, "query-place", f"session.{function.attr}(…) {BELONGS}"


def _is_session(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.lstrip("_") == "session"


def _middleware(node: ast.AST) -> Iterator[Found]:
    if isinstance(node, ast.ImportFrom | ast.Attribute):
        names = [node.attr] if isinstance(node, ast.Attribute) else [alias.name for alias in node.names]
        if "BaseHTTPMiddleware" in names:
            yield node, "middleware", SLOW
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for each in node.decorator_list:
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "middleware":
                yield each, "middleware", f"this makes a {SLOW}"
