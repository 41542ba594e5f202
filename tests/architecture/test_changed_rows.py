"""Every UPDATE and DELETE names the rows that it changes."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import undercroft

IMPORT = "from sqlalchemy import delete, update; "
SOURCE = Path(undercroft.__file__).parent
CHANGE = re.compile(r"\b(UPDATE (?!OF|SET)\w+( AS)? ?\w* SET|DELETE FROM)\b")


def list_unconditional(source: str) -> Iterator[int]:
    """Yield the lines of statements that change all rows of a table."""
    nodes = list(ast.walk(ast.parse(source)))
    yield from _list_expressions(nodes)
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        text = ast.unparse(node) if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts else ""
        if CHANGE.search(text) and "WHERE" not in text:
            yield node.lineno  # type: ignore[attr-defined]


def _list_expressions(nodes: Iterable[ast.AST]) -> Iterator[int]:
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"]
    changes = {each.name for node in imports for each in node.names} & {"update", "delete"}
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    methods = [(call.func, call) for call in calls if isinstance(call.func, ast.Attribute)]
    conditional = {id(func.value) for func, call in methods if func.attr == "where" and call.args}
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in changes and id(call) not in conditional:
            yield call.lineno


def test_every_change_has_a_condition() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{line}"
        for path in sorted(SOURCE.rglob("*.py"))
        if not {"devstack", "testing", "migrations"} & set(path.parts)
        for line in list_unconditional(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "statement",
    [
        "update(User).values(name='x')",
        "update(User).where().values(name='x')",
        "delete(User)",
        "delete(User).returning(User.id)",
        "text('UPDATE users SET name = 1')",
        "text(f'DELETE FROM {table}')",
    ],
)
def test_change_of_all_rows_is_reported(statement: str) -> None:
    assert list(list_unconditional(IMPORT + statement)) == [1]


@pytest.mark.parametrize(
    "statement",
    [
        "update(User).where(condition).values(name='x')",
        "delete(User).where(*conditions).returning(User.id)",
        "text('DELETE FROM users WHERE id = 1')",
        "text('INSERT INTO users VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2')",
        "row.update(values)",
    ],
)
def test_change_of_some_rows_is_accepted(statement: str) -> None:
    assert list(list_unconditional(IMPORT + statement)) == []
