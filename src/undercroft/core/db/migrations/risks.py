"""Detect statements that are dangerous while the application runs, and state the safe sequence for each kind.

Dangerous are: a lock that blocks reads or writes for as long as PostgreSQL reads or rewrites the table, a change that
the previous release cannot run on, and a statement that fails on existing rows. Tables that the same migration creates
are exempt, because no other session uses them yet. A migration accepts a risk with a reason, by kind, in its file:

    accepted_risks = {"create index": "The table has at most 100 rows."}
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from undercroft.core.db.migrations.data_loss import changed_table, is_lossless, is_lossless_action
from undercroft.core.db.migrations.statements import Statement, altered_table, created_table, split_statements

_RETIRE = (
    "1. In this release, remove it from the model's fields and name it in the model:\n"
    '   __table_args__ = {{"info": {{"retired_columns": ("{column}",)}}}}\n'
    "   If it is NOT NULL: op.alter_column({table!r}, {column!r}, nullable=True)\n"
    "2. In the next release, remove that and create the migration that drops the column."
)
_REPLACE = (
    "1. Add the new {thing}, and write to both.\n"
    "2. Copy the existing rows in a backfill.\n"
    "3. In the next release, use only the new {thing}; in the release after that, drop the old one."
)
_CONCURRENTLY = "with op.get_context().autocommit_block():\n    op.create_index({name!r}, {table!r}, {columns}"
_OWN = "In a migration of its own:\n"

KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "add not null column": (
        "Fails if {table} has rows, and the previous release inserts rows without {column}.",
        (
            'Give it a default: sa.Column({column!r}, ..., nullable=False, server_default="...")\n'
            'Or add it with nullable=True, fill it in a backfill, and then follow the sequence of "set not null".'
        ),
    ),
    "volatile default": (
        "Rewrites {table} while all reads and writes wait, because each row gets another value.",
        (
            "1. Add the column with nullable=True and without a default.\n"
            "2. op.alter_column({table!r}, {column!r}, server_default=...), for new rows.\n"
            "3. Fill the existing rows in a backfill."
        ),
    ),
    "set not null": (
        "Reads all of {table} while all reads and writes wait.",
        (
            "Three migrations:\n"
            '1. op.create_check_constraint("ck_{column}", {table!r}, "{column} IS NOT NULL", '
            "postgresql_not_valid=True)\n"
            '2. op.execute("ALTER TABLE {table} VALIDATE CONSTRAINT ck_{column}")\n'
            "3. op.alter_column({table!r}, {column!r}, nullable=False), then "
            'op.drop_constraint("ck_{column}", {table!r}, type_="check")'
        ),
    ),
    "change type": (
        (
            "Rewrites {table} and its indexes while all reads and writes wait, and the previous release may not read "
            "the new type. (A longer VARCHAR, or VARCHAR to TEXT, rewrites nothing: accept it.)"
        ),
        _REPLACE.format(thing="column"),
    ),
    "rewrite table": (
        "Rewrites {table} while all reads and writes wait.",
        "Do it during maintenance, or create a new table and copy the rows in a backfill.",
    ),
    "create index": (
        "Blocks all writes to {table} until the index is built.",
        f"{_OWN}{_CONCURRENTLY}, postgresql_concurrently=True)",
    ),
    "concurrently in transaction": (
        "PostgreSQL refuses CONCURRENTLY inside of a transaction.",
        "Put the statement into the block `with op.get_context().autocommit_block():`.",
    ),
    "statement outside of transaction": (
        "Waits for locks without a limit, so that all traffic on {table} can queue behind it, and is not rolled back.",
        "Move the statement out of the block `with op.get_context().autocommit_block():`.",
    ),
    "add constraint": (
        "Reads all of {table} while writes to it, and to a table it refers to, wait.",
        (
            "Two migrations:\n"
            "1. Create the constraint with postgresql_not_valid=True: it applies to new rows.\n"
            '2. op.execute("ALTER TABLE {table} VALIDATE CONSTRAINT {name}"), which blocks no traffic.'
        ),
    ),
    "validate in transaction": (
        "Reads all of {table} while the lock of an earlier statement of the same transaction blocks it.",
        "Move VALIDATE CONSTRAINT to a migration of its own: each runs in its own transaction.",
    ),
    "add unique constraint": (
        "Builds an index while all reads and writes of {table} wait.",
        (
            "Two migrations:\n"
            f"1. {_CONCURRENTLY}, unique=True, postgresql_concurrently=True)\n"
            '2. op.execute("ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}")'
        ),
    ),
    "rename column": (
        "The previous release still uses {table}.{column} by its old name.",
        _REPLACE.format(thing="column"),
    ),
    "rename table": ("The previous release still uses {table} by its old name.", _REPLACE.format(thing="table")),
    "drop column": ("The previous release still reads and writes {table}.{column}.", _RETIRE),
    "drop table": (
        "The previous release may still read and write {table}.",
        "1. In this release, remove the model: the table stays.\n2. In the next release, drop the table.",
    ),
    "change enum": (
        "The previous release does not know the value, and a value cannot be used in the transaction that adds it.",
        (
            "Use a VARCHAR with a CHECK constraint. Or add the value one release before the code that writes it:\n"
            'with op.get_context().autocommit_block():\n    op.execute("ALTER TYPE ... ADD VALUE IF NOT EXISTS ...")'
        ),
    ),
    "lock table": (
        "Blocks reads or writes of {table} until the transaction ends.",
        "Use the CONCURRENTLY form of the statement, or leave the locking to the statements that need it.",
    ),
    "change rows": (
        "Changes or copies an unknown number of rows in one transaction, and holds their locks until it ends.",
        "Change the rows in a backfill: a task that commits after each batch. Let the code accept old and new rows.",
    ),
    "unchecked": (
        "`undercroft migrate check` cannot see what this does: code that needs a connection, a function, a DO block.",
        "Use operations of Alembic or op.execute() with single statements, and change rows in a backfill.",
    ),
}
"""Each kind of risk: why it is dangerous, and the safe sequence, with the names in the statement."""

BREAKING: Final = frozenset(
    {"add not null column", "change type", "rename column", "rename table", "drop column", "drop table"}
)
"""The kinds that the previous release does not run on, unless the migration accepts them."""

_TABLE = r"(?:TABLE )?(?:ONLY )?(?:IF EXISTS )?(?P<table>[\w.]+)"
_COLUMN = r"(?:COLUMN )?(?:IF EXISTS )?(?P<column>\w+)"
_ADD_CONSTRAINT = r"ADD (?:CONSTRAINT (?P<name>\w+) )?"
_CONCURRENT = re.compile(r"(?:CREATE (?:UNIQUE )?|DROP |RE)INDEX\b.* CONCURRENTLY .*|ALTER TABLE .* CONCURRENTLY")
_OUTSIDE = re.compile(r"(?:VACUUM|ANALYZE|SET|RESET|ALTER TYPE \S+ ADD VALUE) .*")
_STATEMENTS: Final = (
    (
        (
            r"CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?(?:(?!ON )(?P<name>\w+) )?ON (?:ONLY )?(?P<table>[\w.]+)"
            r"(?: USING \w+)? ?\((?P<columns>.*?)\).*"
        ),
        "create index",
    ),
    (r"DROP TABLE (?:IF EXISTS )?(?P<table>[\w.]+).*", "drop table"),
    (r"ALTER TYPE \S+ ADD VALUE IF NOT EXISTS .*", ""),
    (r"ALTER TYPE (?P<name>\S+) (?:ADD|RENAME|DROP|ALTER) (?:VALUE|ATTRIBUTE) .*", "change enum"),
    (rf"LOCK {_TABLE}.*", "lock table"),
    (r"REINDEX (?:\(.*?\) )?\w+ (?P<table>[\w.]+)", "lock table"),
    (r"REFRESH MATERIALIZED VIEW (?!CONCURRENTLY)(?P<table>[\w.]+).*", "lock table"),
    (rf"(?:VACUUM (?:FULL|\([^)]*FULL[^)]*\)).*?|CLUSTER)(?: VERBOSE)?(?: {_TABLE})?(?: .*)?", "rewrite table"),
    (rf"(?:UPDATE|DELETE FROM|MERGE INTO|TRUNCATE|COPY) {_TABLE}.*", "change rows"),
    (r"INSERT INTO (?P<table>[\w.]+) .*\bSELECT .*\bFROM .*", "change rows"),
    (r"CREATE (?:\w+ )?(?:TABLE|MATERIALIZED VIEW) .* AS .*\bFROM .*", "change rows"),
    (r"WITH .*\b(?:UPDATE|DELETE|INSERT|MERGE) .*", "change rows"),
    (r"(?:VACUUM|SET|RESET|DROP (?:TYPE|SEQUENCE|VIEW)) .*", ""),
)
_ACTIONS: Final = (
    (rf"{_ADD_CONSTRAINT}(?:UNIQUE|PRIMARY KEY) USING INDEX .*", ""),
    (rf"{_ADD_CONSTRAINT}(?:UNIQUE|PRIMARY KEY|EXCLUDE)\b.*", "add unique constraint"),
    (rf"{_ADD_CONSTRAINT}(?:CHECK|FOREIGN KEY|NOT NULL)\b.* NOT VALID", ""),
    (rf"{_ADD_CONSTRAINT}(?:CHECK|FOREIGN KEY|NOT NULL)\b.*", "add constraint"),
    (r"(?:DROP|ALTER|RENAME|VALIDATE) CONSTRAINT .*", ""),
    (r"RENAME TO .*|SET SCHEMA .*", "rename table"),
    (rf"RENAME {_COLUMN} TO .*", "rename column"),
    (rf"DROP {_COLUMN}.*", "drop column"),
    (rf"ALTER {_COLUMN} (?:SET DATA )?TYPE .*", "change type"),
    (rf"ALTER {_COLUMN} SET NOT NULL", "set not null"),
    (rf"ALTER {_COLUMN} (?:ADD GENERATED|DROP IDENTITY|DROP EXPRESSION|SET GENERATED|RESTART|SET \(|RESET \().*", ""),
    (r"SET (?:LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD)\b.*", "rewrite table"),
    (r"(?:DETACH PARTITION|INHERIT|NO INHERIT) .*", ""),
)
_ADD_COLUMN = re.compile(r"ADD (?:COLUMN )?(?:IF NOT EXISTS )?(?P<column>\w+) (?P<rest>.*)")
_DEFAULT = re.compile(r"\bDEFAULT (.*?)(?= NOT NULL| NULL\b| CHECK\b| REFERENCES | UNIQUE\b| PRIMARY | CONSTRAINT |$)")
_CAST = re.compile(r"::[A-Z ]+(?:\([\d, ]+\))?(?:\[\])?")
_VOLATILE = re.compile(
    r"\b(?!(?:NOW|TRANSACTION_TIMESTAMP|STATEMENT_TIMESTAMP|CURRENT_TIMESTAMP|LOCALTIMESTAMP|TIMEZONE|DATE_TRUNC"
    r"|CAST|COALESCE|LOWER|UPPER|CURRENT_SETTING|MAKE_INTERVAL|JSONB?_BUILD_(?:OBJECT|ARRAY))\b)[A-Z_][\w.]* ?\("
)
_STORED = re.compile(r"(?:SMALL|BIG)?SERIAL\b.*|.*\bGENERATED (?:ALWAYS|BY DEFAULT) AS (?!.*\bVIRTUAL\b).*")
_NOT_NULL_CHECK = re.compile(r"ADD CONSTRAINT (\w+) CHECK ?\(+(\w+) IS NOT NULL\)+.*")
_VALIDATE = re.compile(r"VALIDATE CONSTRAINT (?P<name>\w+)")

_CONSTRAINT_WORDS = frozenset({"CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE", "NOT"})


class Names(Struct, frozen=True):
    """The names in a statement, in lowercase; `...` for an unknown one."""

    table: str
    column: str
    name: str
    columns: str


class Risk(Struct, frozen=True):
    """A dangerous statement, its line in the migration file, and the names in it."""

    kind: str
    statement: Statement
    names: Names
    is_mapped: bool = False

    @property
    def reason(self) -> str:
        """Why the statement is dangerous."""
        mapped = " A model of this release still maps it." if self.is_mapped else ""
        return KINDS[self.kind][0].format(**asdict(self.names)) + mapped

    @property
    def safe_sequence(self) -> str:
        """What to do instead, in one or more lines."""
        return KINDS[self.kind][1].format(**asdict(self.names))


class RiskDetector:
    """Reads the migrations of one history in their order, because earlier ones can make later statements safe."""

    def __init__(self, version_table: str, mapped: Mapping[str, Collection[str]]) -> None:
        """`mapped` are the tables of this release's models, with their columns."""
        self._version_table = version_table.upper()
        self._mapped = mapped
        self._not_null_checks: dict[tuple[str, str], str] = {}
        self._never_null: set[tuple[str, str]] = set()
        self._created: set[str] = set()
        self._altered: set[str] = set()
        self._in_transaction = False

    def read(self, statements: Iterable[Statement] | None) -> list[Risk]:
        """The risks of the next migration; `statements` is None if it needs a database connection."""
        if statements is None:
            return [self._risk("unchecked", Statement("Python code that needs a database connection"))]
        self._created = set()
        return [
            risk
            for statement in statements
            for single in split_statements(statement.sql)
            for risk in self._check(single, statement)
        ]

    def _check(self, single: str, statement: Statement) -> Iterator[Risk]:
        if single in ("BEGIN", "COMMIT"):
            self._in_transaction, self._altered = single == "BEGIN", set()
            return
        if table := created_table(single):
            self._created.add(table)
        if changed_table(single) == self._version_table or single.startswith(f"INSERT INTO {self._version_table} "):
            return
        if _CONCURRENT.fullmatch(single):
            if self._in_transaction:
                yield self._risk("concurrently in transaction", statement)
        elif (altered := altered_table(single)) is not None:
            yield from self._check_actions(*altered, statement)
        else:
            yield from self._match(_STATEMENTS, single, statement, known=is_lossless(single))
        if not (self._in_transaction or _CONCURRENT.fullmatch(single) or _OUTSIDE.fullmatch(single)):
            yield self._risk("statement outside of transaction", statement, table=_table(single))

    def _check_actions(self, table: str, actions: Iterable[str], statement: Statement) -> Iterator[Risk]:
        for action in actions:
            if table not in self._created:
                yield from self._check_action(table, action, statement)
            self._altered.add(table)

    def _check_action(self, table: str, action: str, statement: Statement) -> Iterator[Risk]:
        if check := _NOT_NULL_CHECK.fullmatch(action):
            self._not_null_checks[table, check.group(1)] = check.group(2)
        if found := _VALIDATE.fullmatch(action):
            self._never_null.add((table, self._not_null_checks.get((table, found.group("name")), "")))
            if table in self._altered:
                yield self._risk("validate in transaction", statement, table=table)
            return
        column = _ADD_COLUMN.fullmatch(action)
        if column is not None and column.group("column") not in _CONSTRAINT_WORDS:
            for kind in _column_risks(column.group("rest")):
                yield self._risk(kind, statement, table=table, column=column.group("column"))
            return
        yield from self._match(_ACTIONS, action, statement, known=is_lossless_action(action), table=table)

    def _match(
        self, rules: Iterable[tuple[str, str]], text: str, statement: Statement, *, known: bool, **names: str
    ) -> Iterator[Risk]:
        """The risk of the first rule that matches; one without a rule must be known to be safe."""
        for pattern, kind in rules:
            if (found := re.fullmatch(pattern, text)) is not None:
                risk = self._risk(kind or "unchecked", statement, **names, **found.groupdict(default="..."))
                if kind and not self._is_exempt(risk):
                    yield risk
                return
        if not known:
            yield self._risk("unchecked", statement)

    def _is_exempt(self, risk: Risk) -> bool:
        table, column = risk.names.table.upper(), risk.names.column.upper()
        copies = risk.kind == "change rows" and risk.statement.sql.lstrip().upper().startswith("INSERT")
        is_set = risk.kind == "set not null" and (table, column) in self._never_null
        return is_set or (table in self._created and not copies)

    def _risk(self, kind: str, statement: Statement, **names: str) -> Risk:
        table, column, name = (names.get(each, "...").lower() for each in ("table", "column", "name"))
        columns = re.findall(r"\w+", names.get("columns", "").lower())
        is_dropped = kind == "drop table" or (kind == "drop column" and column in self._mapped.get(table, ()))
        found = Names(table, column, name, str(columns) if columns else "[...]")
        return Risk(kind, statement, found, is_mapped=is_dropped and table in self._mapped)


def _column_risks(definition: str) -> Iterator[str]:
    """The kinds of risk of a new column, from its type and constraints."""
    default = _DEFAULT.search(definition)
    if _STORED.fullmatch(definition) or (default and _VOLATILE.search(_CAST.sub("", default.group(1)))):
        yield "volatile default"
    elif " NOT NULL" in definition and default is None:
        yield "add not null column"
    if re.search(r" (?:UNIQUE|PRIMARY KEY)\b", definition):
        yield "add unique constraint"
    if re.search(r" CHECK\b", definition) or (default and " REFERENCES " in definition):
        yield "add constraint"


def _table(single: str) -> str:
    altered = altered_table(single)
    return altered[0] if altered else changed_table(single) or "..."
