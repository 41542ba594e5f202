"""Read the SQL of migrations: single statements, without comments and literals, and the tables that they name."""

import re
from collections.abc import Iterator

from msgspec import Struct

NAME = r'(?:ONLY )?(?:IF (?:NOT )?EXISTS )?([\w."]+)'
_LITERAL = re.compile(
    r"--[^\n]*|/\*.*?\*/|\bE'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|(\$\w*\$).*?\1|\"((?:[^\"]|\"\")*)\"",
    re.DOTALL | re.IGNORECASE,
)
_ALTER_TABLE = re.compile(rf"ALTER TABLE {NAME} (.*)")
_CREATED = re.compile(rf"CREATE (?:UNLOGGED )?TABLE {NAME}")


class Statement(Struct, frozen=True):
    """A statement of a migration, and the line of the file that executes it (0: Alembic adds it)."""

    sql: str
    line: int = 0


def split_statements(sql: str) -> Iterator[str]:
    """The statements in a text, in uppercase, without comments and with literals replaced."""
    plain = _LITERAL.sub(_replacement, sql)
    for single in plain.split(";"):
        if words := " ".join(single.split()).upper():
            yield words


def created_table(single: str) -> str | None:
    """The table that a statement creates, or None."""
    found = _CREATED.match(single)
    return found.group(1) if found else None


def altered_table(single: str) -> tuple[str, list[str]] | None:
    """The table that a statement alters, and its actions; None for any other statement."""
    found = _ALTER_TABLE.fullmatch(single)
    return (found.group(1), list(_actions(found.group(2)))) if found else None


def _replacement(match: "re.Match[str]") -> str:
    whole = match.group()
    if whole.startswith(("--", "/*")):
        return " "
    return re.sub(r"\W", "_", match.group(2)) if whole.startswith('"') else "''"


def _actions(actions: str) -> Iterator[str]:
    """The actions of an ALTER TABLE, split at commas outside of parentheses."""
    depth, start = 0, 0
    for index, character in enumerate(actions):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            yield actions[start:index].strip()
            start = index + 1
    yield actions[start:].strip()
