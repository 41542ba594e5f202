"""Whether a method that overrides another one always calls it."""

import ast
from collections.abc import Iterable

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_OTHER_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_CONDITIONAL = (ast.IfExp, ast.BoolOp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def always_calls_super(function: FunctionNode) -> bool:
    """Whether each path that returns calls the same method by `super()`, and awaits it in an async method."""
    return _always_calls(function.body, function.name, awaited=isinstance(function, ast.AsyncFunctionDef))


def _always_calls(body: Iterable[ast.stmt], name: str, *, awaited: bool) -> bool:
    """Whether the statements call it, or raise an error, before they return."""
    for statement in body:
        if _statement_calls(statement, name, awaited=awaited):
            return True
        if _may_leave(statement):
            return False
    return False


def _statement_calls(statement: ast.stmt, name: str, *, awaited: bool) -> bool:
    def calls(body: Iterable[ast.stmt]) -> bool:
        return _always_calls(body, name, awaited=awaited)

    match statement:
        case ast.Raise():
            return True
        case ast.If(body=body, orelse=other):
            return calls(body) and calls(other)
        case ast.With(body=body) | ast.AsyncWith(body=body):
            return calls(body)
        case ast.Try(body=body, handlers=handlers, finalbody=final):
            return calls(final) or (calls(body) and all(calls(each.body) for each in handlers))
        case ast.Expr(value=value) | ast.Return(value=ast.expr() as value) | ast.Assign(value=value):
            return _expression_calls(value, name, awaited=awaited)
        case ast.AnnAssign(value=ast.expr() as value):
            return _expression_calls(value, name, awaited=awaited)
    return False


def _expression_calls(node: ast.AST, name: str, *, awaited: bool) -> bool:
    if isinstance(node, _OTHER_SCOPES + _CONDITIONAL):
        return False
    found = node.value if isinstance(node, ast.Await) and awaited else None if awaited else node
    if found is not None and _is_super_call(found, name):
        return True
    return any(_expression_calls(each, name, awaited=awaited) for each in ast.iter_child_nodes(node))


def _is_super_call(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=attribute)):
            return attribute == name
    return False


def _may_leave(node: ast.AST) -> bool:
    """Whether a statement may return from the method."""
    if isinstance(node, ast.Return):
        return True
    if isinstance(node, _OTHER_SCOPES):
        return False
    return any(_may_leave(each) for each in ast.iter_child_nodes(node))
