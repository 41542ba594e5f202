"""Mutants of the source code: small changes that a test should detect."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
IRRELEVANT_CALLS = ("log", "logger", "warnings")
EFFECTIVE_DECORATORS = ("subscribe", "cron")
WEAKER_OPTIONS = {
    "permission": '"teams:read"',
    "step_up": "False",
    "limit": "None",
    "idempotency": '"store"',
    "api_keys": "True",
}
"""Route options, and the value that replaces a constant one."""


@dataclass(frozen=True)
class Mutant:
    """One change of a file: the bytes from `start` to `end` are replaced by `replacement`."""

    path: Path
    line: int
    start: int
    end: int
    original: str
    replacement: str

    def apply_to(self, source: bytes) -> bytes:
        return source[: self.start] + self.replacement.encode() + source[self.end :]

    def __str__(self) -> str:
        before, after = (" ".join(text.split())[:100] for text in (self.original, self.replacement))
        return f"{self.path}:{self.line}: {before}  →  {after}"


def list_mutants(root: Path, path: Path) -> list[Mutant]:
    """Yield all mutants of a file, with paths relative to `root`."""
    source = path.read_bytes()
    starts = _line_starts(source)
    found = []
    for node, replacement in _list_changes(ast.parse(source)):
        assert isinstance(node, ast.expr | ast.stmt)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        if isinstance(node, ast.expr) and source[start - 1 : start] == b"@":
            start -= 1
        original = source[start:end].decode()
        if original != replacement:
            found.append(Mutant(path.relative_to(root), node.lineno, start, end, original, replacement))
    return found


def _line_starts(source: bytes) -> list[int]:
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _list_changes(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in _body(function):
                yield from _mutate_node(node)
            for decorator in function.decorator_list:
                if any(name in ast.unparse(decorator) for name in EFFECTIVE_DECORATORS):
                    yield decorator, "@(lambda each: each)"
                yield from _weaken_options(decorator)
    yield from _statements_at_module_level(tree)


def _weaken_options(decorator: ast.expr) -> Iterator[tuple[ast.AST, str]]:
    for option in decorator.keywords if isinstance(decorator, ast.Call) else ():
        if option.arg in WEAKER_OPTIONS and isinstance(option.value, ast.Constant):
            yield option.value, WEAKER_OPTIONS[option.arg]


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, without annotations, docstrings and nested functions."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assert):
            continue
        yield node
        waiting.extend(child for name, child in _children(node) if name not in ("annotation", "returns"))


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield name, child


def _statements_at_module_level(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield mutants of conditions in prepared SQL statements, which are at module level."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            for node in ast.walk(statement.value):
                if isinstance(node, ast.Call | ast.Compare):
                    yield from _mutate_node(node)


def _mutate_node(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    make = _MUTATORS.get(type(node))
    if make is not None:
        yield from ((node, replacement) for replacement in make(node))


def _mutate_comparison(node: ast.Compare) -> Iterator[str]:
    other = COMPARISONS.get(type(node.ops[0]))
    if len(node.ops) == 1 and other is not None:
        changed = copy.copy(node)
        changed.ops = [other()]
        yield f"({ast.unparse(changed)})"


def _mutate_boolean(node: ast.BoolOp) -> Iterator[str]:
    changed = copy.copy(node)
    changed.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
    yield f"({ast.unparse(changed)})"


def _mutate_not(node: ast.UnaryOp) -> Iterator[str]:
    if isinstance(node.op, ast.Not):
        yield f"({ast.unparse(node.operand)})"


def _mutate_operator(node: ast.BinOp) -> Iterator[str]:
    others: dict[type[ast.operator], type[ast.operator]] = {
        ast.BitAnd: ast.BitOr,
        ast.BitOr: ast.BitAnd,
        ast.Add: ast.Sub,
        ast.Sub: ast.Add,
    }
    other = others.get(type(node.op))
    if other is not None and not isinstance(node.left, ast.Constant | ast.JoinedStr):
        changed = copy.copy(node)
        changed.op = other()
        yield f"({ast.unparse(changed)})"


def _mutate_call(node: ast.Call) -> Iterator[str]:
    """Drop one condition of a WHERE, or the lock of a SELECT … FOR UPDATE."""
    if not isinstance(node.func, ast.Attribute):
        return
    if node.func.attr == "with_for_update":
        yield ast.unparse(node.func.value)
    if node.func.attr == "where":
        for position in range(len(node.args)):
            changed = copy.copy(node)
            changed.args = node.args[:position] + node.args[position + 1 :]
            yield ast.unparse(changed)


def _mutate_constant(node: ast.Constant) -> Iterator[str]:
    if isinstance(node.value, bool):
        yield str(not node.value)
    elif isinstance(node.value, int):
        yield str(node.value + 1)


def _mutate_statement(node: ast.Expr) -> Iterator[str]:
    call = node.value.value if isinstance(node.value, ast.Await) else node.value
    if isinstance(call, ast.Call) and not ast.unparse(call.func).startswith(IRRELEVANT_CALLS):
        yield "pass"


def _mutate_raise(_: ast.Raise) -> Iterator[str]:
    yield "pass"


def _mutate_condition(node: ast.If) -> Iterator[str]:
    changed = copy.copy(node)
    changed.test = ast.Constant(value=False)
    yield ast.unparse(changed).replace("\n", "\n" + " " * node.col_offset)


_MUTATORS: dict[type[ast.AST], Callable[..., Iterator[str]]] = {
    ast.Compare: _mutate_comparison,
    ast.BoolOp: _mutate_boolean,
    ast.UnaryOp: _mutate_not,
    ast.BinOp: _mutate_operator,
    ast.Call: _mutate_call,
    ast.Constant: _mutate_constant,
    ast.Expr: _mutate_statement,
    ast.Raise: _mutate_raise,
    ast.If: _mutate_condition,
}
