"""Detect migrations that can lose data, from their statements.

Only statements that are known to be safe pass. Everything else (DROP, DELETE, UPDATE, a change of type, a function
call, an unknown kind of statement) may lose data.
"""

import re
from collections.abc import Iterable, Iterator

_LITERAL = re.compile(
    r"--[^\n]*|/\*.*?\*/|\bE'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|(\$\w*\$).*?\1|\"((?:[^\"]|\"\")*)\"",
    re.DOTALL | re.IGNORECASE,
)
_NAME = r'(?:ONLY )?(?:IF (?:NOT )?EXISTS )?([\w."]+)'
_ALTER_COLUMN = r"ALTER (?:COLUMN )?\S+ (?:DROP NOT NULL|SET DEFAULT .*|DROP DEFAULT|SET STATISTICS .*)"
_SAFE_ALTERATIONS = re.compile(
    rf"{_ALTER_COLUMN}|ADD (?:CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b.*|VALIDATE .*"
    r"|DROP CONSTRAINT .*|RENAME .*|SET \(.*|RESET \(.*|(?:ENABLE|DISABLE|FORCE|NO FORCE) .*|ATTACH PARTITION .*"
    r"|OWNER TO .*|REPLICA IDENTITY .*"
)
_ADD_COLUMN = re.compile(r"ADD (?:COLUMN )?(?:IF NOT EXISTS )?.*")
_ALTER_TABLE = re.compile(rf"ALTER TABLE {_NAME} (.*)")
_SAFE = re.compile(
    r"(?:BEGIN|COMMIT|COMMENT ON .*|GRANT .*|REVOKE .*|ANALYZE.*|SET LOCAL .*|LOCK TABLE .*|REINDEX .*"
    r"|CREATE (?!.*\bAS (?:WITH|EXECUTE)\b).*"
    r"|DROP (?:INDEX|TRIGGER|POLICY|VIEW|FUNCTION|PROCEDURE|STATISTICS)(?!.*\bCASCADE\b) .*"
    r"|ALTER (?:INDEX|FUNCTION|SEQUENCE|POLICY|TRIGGER|VIEW|DEFAULT PRIVILEGES|STATISTICS) .*"
    r"|ALTER TYPE \S+ ADD VALUE .*|INSERT INTO (?!.*\bDO UPDATE\b).*)"
)
_TARGET = re.compile(rf"(?:ALTER TABLE|UPDATE|DELETE FROM|TRUNCATE(?: TABLE)?|DROP TABLE) {_NAME}(?=[ ;]|$)")
_CREATED = re.compile(rf"CREATE TABLE {_NAME}")


def first_lossy_statement(statements: Iterable[str], version_table: str, created: set[str]) -> str | None:
    """The first statement that can lose data or fail on existing rows; None if all are safe.

    `created` are the tables created in this run, which cannot lose data. Tables created by these statements are added.
    """
    for statement in statements:
        for single in _split_statements(statement):
            if found := _CREATED.match(single):
                created.add(found.group(1))
            if not (_is_safe(single) or _target(single) in created | {version_table.upper()}):
                return statement
    return None


def _split_statements(statement: str) -> Iterator[str]:
    """The statements in a text, in uppercase, without comments and with literals replaced."""
    plain = _LITERAL.sub(_replacement, statement)
    for single in plain.split(";"):
        if words := " ".join(single.split()).upper():
            yield words


def _replacement(match: "re.Match[str]") -> str:
    whole = match.group()
    if whole.startswith(("--", "/*")):
        return " "
    return re.sub(r"\W", "_", match.group(2)) if whole.startswith('"') else "''"


def _target(single: str) -> str | None:
    """The only table that a statement changes, or None."""
    found = _TARGET.match(single)
    several = "," in single.partition(" SET ")[0] and not single.startswith("ALTER")
    cascades = single.startswith("TRUNCATE") and "CASCADE" in single
    return found.group(1) if found and not several and not cascades else None


def _is_safe(single: str) -> bool:
    altered = _ALTER_TABLE.fullmatch(single)
    if altered is None:
        return _SAFE.fullmatch(single) is not None
    return all(_is_safe_action(action) for action in _actions(altered.group(2)))


def _is_safe_action(action: str) -> bool:
    if _SAFE_ALTERATIONS.fullmatch(action):
        return True
    needs_value = " NOT NULL" in action and not re.search(r"\b(?:DEFAULT|GENERATED)\b", action)
    return _ADD_COLUMN.fullmatch(action) is not None and not needs_value


def _actions(actions: str) -> Iterator[str]:
    """The actions of an ALTER TABLE, split at commas outside of parentheses."""
    depth, start = 0, 0
    for index, character in enumerate(actions):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            yield actions[start:index].strip()
            start = index + 1
    yield actions[start:].strip()
