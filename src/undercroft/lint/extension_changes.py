"""Changes that an extension must not make: to names of Undercroft, to tables of others, and without a way back."""

import ast
from collections.abc import Iterator, Sequence

_CHANGING_METHODS = frozenset({"append_column", "append_constraint", "add_property", "__setattr__"})
_TABLE_ARGUMENT = {
    **dict.fromkeys(("create_table", "drop_table", "rename_table", "add_column", "drop_column", "alter_column"), 0),
    **dict.fromkeys(("batch_alter_table", "create_table_comment", "drop_table_comment"), 0),
    **dict.fromkeys(("create_index", "create_foreign_key", "create_unique_constraint", "create_check_constraint"), 1),
    **dict.fromkeys(("create_primary_key", "create_exclude_constraint", "drop_constraint", "drop_index"), 1),
}
"""The position of the table in the arguments of Alembic's operations."""


def find_changes_of_imports(nodes: Sequence[ast.AST]) -> Iterator[tuple[ast.expr, str]]:
    """Yield where a file changes an object that it imports from Undercroft, with the name: `User.vip = …`.

    `nodes` are all nodes of the file.
    """
    names = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "undercroft"
        for alias in node.names
    }
    for node in nodes:
        for target in _changed(node):
            if (root := _root(target)) in names:
                yield target, root


def _changed(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the objects of which the node changes an attribute."""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
        yield node.value
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING_METHODS:
            yield node.func.value
        elif isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr") and node.args:
            yield node.args[0]


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def find_missing_downgrade(tree: ast.Module) -> int:
    """Return the line of a migration that changes something and does not revert it; 0 if it can be reverted."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    upgrade, downgrade = functions.get("upgrade"), functions.get("downgrade")
    if upgrade is None or not _does_something(upgrade):
        return 0
    if downgrade is None:
        return upgrade.lineno
    return 0 if _does_something(downgrade) else downgrade.lineno


def _does_something(function: ast.FunctionDef) -> bool:
    """Whether the body has more than `pass`, a text or an exception."""
    return not all(
        isinstance(step, ast.Pass | ast.Raise) or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))
        for step in function.body
    )


def find_tables(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the tables that the operations of a migration change, with their lines. SQL in texts is not read."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr=name)) if name in _TABLE_ARGUMENT:
                named = [each.value for each in node.keywords if each.arg in ("table_name", "source_table")]
                positional = node.args[_TABLE_ARGUMENT[name] :][:1]
                for argument in (*named, *positional)[:1]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield node.lineno, argument.value
