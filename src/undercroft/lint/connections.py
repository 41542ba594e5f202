"""Rules about connections, transactions and middleware."""

import ast
import re
from collections.abc import Iterator

from undercroft.lint.sources import Index, RuleMatch, Source, find_sql_strings

SESSION_SETTING_MESSAGE = (
    "this setting stays on the pooled connection after the request; use SET LOCAL, or set_config(…, true), in a "
    "transaction"
)
TRANSACTION_MESSAGE = (
    "a transaction that is managed by the owner of the session; leave its block to commit, raise to roll back"
)
MIDDLEWARE_MESSAGE = "BaseHTTPMiddleware is as slow as an SQL statement; write a pure ASGI class"
_SET_STATEMENT = re.compile(
    r"(?:^|;)\s*SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)(?:SESSION\s+)?"
    r"(?:ROLE\b|AUTHORIZATION\b|CHARACTERISTICS\b|TIME\s+ZONE\b|[\w.\"]+\s*(?:=|TO\b))"
)
_SET_CONFIG_CALL = re.compile(r"\bset_config\s*\([^()]*,[^()]*,\s*(?:false|'f\w*'|'off'|'0')\s*\)", re.IGNORECASE)


def run_rules(source: Source, _index: Index) -> Iterator[RuleMatch]:
    yield from _check_session_settings(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _check_transaction_end(node, node.func)
            yield from _check_set_config(node, node.func)
        yield from _check_middleware(node)


def _check_session_settings(source: Source) -> Iterator[RuleMatch]:
    for node, text in find_sql_strings(source):
        if _SET_STATEMENT.search(text) or _SET_CONFIG_CALL.search(text):
            yield node, "session-setting", SESSION_SETTING_MESSAGE


def _check_set_config(call: ast.Call, function: ast.Attribute) -> Iterator[RuleMatch]:
    last = call.args[2] if len(call.args) == 3 else None
    if function.attr == "set_config" and not (isinstance(last, ast.Constant) and last.value is True):
        yield call, "session-setting", SESSION_SETTING_MESSAGE


def _check_transaction_end(call: ast.Call, function: ast.Attribute) -> Iterator[RuleMatch]:
    if function.attr in ("commit", "rollback") and not call.args and not call.keywords:
        yield call, "transaction", f"{function.attr}() ends {TRANSACTION_MESSAGE}"


def _check_middleware(node: ast.AST) -> Iterator[RuleMatch]:
    if isinstance(node, ast.ImportFrom | ast.Attribute):
        names = [node.attr] if isinstance(node, ast.Attribute) else [alias.name for alias in node.names]
        if "BaseHTTPMiddleware" in names:
            yield node, "middleware", MIDDLEWARE_MESSAGE
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for each in node.decorator_list:
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "middleware":
                yield each, "middleware", f"this creates a BaseHTTPMiddleware: {MIDDLEWARE_MESSAGE}"
