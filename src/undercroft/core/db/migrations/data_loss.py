"""Detect migrations that can lose data, from their statements.

Only statements that are known to be safe pass. Everything else (DROP, DELETE, UPDATE, a change of type, a function
call, an unknown kind of statement) may lose data.
"""

import re
from collections.abc import Iterable

from undercroft.core.db.migrations.statements import NAME, altered_table, created_table, split_statements

_ALTER_COLUMN = r"ALTER (?:COLUMN )?\S+ (?:DROP NOT NULL|SET DEFAULT .*|DROP DEFAULT|SET STATISTICS .*)"
_SAFE_ALTERATIONS = re.compile(
    rf"{_ALTER_COLUMN}|ADD (?:CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b.*|VALIDATE .*"
    r"|DROP CONSTRAINT .*|RENAME .*|SET \(.*|RESET \(.*|(?:ENABLE|DISABLE|FORCE|NO FORCE) .*|ATTACH PARTITION .*"
    r"|OWNER TO .*|REPLICA IDENTITY .*"
)
_ADD_COLUMN = re.compile(r"ADD (?:COLUMN )?(?:IF NOT EXISTS )?.*")
_SAFE = re.compile(
    r"(?:BEGIN|COMMIT|COMMENT ON .*|GRANT .*|REVOKE .*|ANALYZE.*|SET LOCAL .*|LOCK TABLE .*|REINDEX .*"
    r"|CREATE (?!.*\bAS (?:WITH|EXECUTE)\b).*"
    r"|DROP (?:INDEX|TRIGGER|POLICY|VIEW|FUNCTION|PROCEDURE|STATISTICS)(?!.*\bCASCADE\b) .*"
    r"|ALTER (?:INDEX|FUNCTION|SEQUENCE|POLICY|TRIGGER|VIEW|DEFAULT PRIVILEGES|STATISTICS) .*"
    r"|ALTER TYPE \S+ ADD VALUE .*|INSERT INTO (?!.*\bDO UPDATE\b).*)"
)
_TARGET = re.compile(rf"(?:ALTER TABLE|UPDATE|DELETE FROM|TRUNCATE(?: TABLE)?|DROP TABLE) {NAME}(?=[ ;]|$)")


def first_lossy_statement(statements: Iterable[str], version_table: str, created: set[str]) -> str | None:
    """The first statement that can lose data or fail on existing rows; None if all are safe.

    `created` are the tables created in this run, which cannot lose data. Tables created by these statements are added.
    """
    for statement in statements:
        for single in split_statements(statement):
            if table := created_table(single):
                created.add(table)
            if not (is_lossless(single) or changed_table(single) in created | {version_table.upper()}):
                return statement
    return None


def changed_table(single: str) -> str | None:
    """The only table that a statement changes, or None."""
    found = _TARGET.match(single)
    several = "," in single.partition(" SET ")[0] and not single.startswith("ALTER")
    cascades = single.startswith("TRUNCATE") and "CASCADE" in single
    return found.group(1) if found and not several and not cascades else None


def is_lossless(single: str) -> bool:
    """Whether a statement, as split by `split_statements`, is known to lose no data."""
    altered = altered_table(single)
    if altered is None:
        return _SAFE.fullmatch(single) is not None
    return all(is_lossless_action(action) for action in altered[1])


def is_lossless_action(action: str) -> bool:
    """Whether an action of ALTER TABLE is known to lose no data."""
    if _SAFE_ALTERATIONS.fullmatch(action):
        return True
    needs_value = " NOT NULL" in action and not re.search(r"\b(?:DEFAULT|GENERATED)\b", action)
    return _ADD_COLUMN.fullmatch(action) is not None and not needs_value
