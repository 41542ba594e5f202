"""Resume a migration that was interrupted after it had committed statements.

A migration with an autocommit block (CREATE INDEX CONCURRENTLY) commits more than once. Committed statements are
recorded, and the next run skips them. A statement outside of a transaction may have been executed without a record, so
the next run executes it in the form that does nothing in that case. It first drops the invalid index that an
interrupted CREATE INDEX CONCURRENTLY leaves behind.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, event, text

from undercroft.core.db.migrations import recorder
from undercroft.core.db.migrations.history import History
from undercroft.core.errors import ConfigurationError

_REPEATABLE: Final = (
    (r"(CREATE (?:UNIQUE )?INDEX CONCURRENTLY )(?!IF )", r"\1IF NOT EXISTS "),
    (r"(DROP INDEX CONCURRENTLY )(?!IF )", r"\1IF EXISTS "),
    (r"(ALTER TYPE \S+ ADD VALUE )(?!IF )", r"\1IF NOT EXISTS "),
)
_INDEX = re.compile(r"\s*CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?([\w.\"]+) ON ", re.IGNORECASE)
_IS_INVALID = text("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


class Resumption:
    """Follows the statements of one migration on its connection, and skips the first ones if they are committed.

    With `reads_rows`, the migration uses the results of queries, which are then neither skipped nor recorded.
    """

    def __init__(self, connection: Connection, history: History, revision: str, *, reads_rows: bool) -> None:
        self._history, self._revision = history, revision
        self._internal = re.compile(
            rf"\s*(?:SET LOCAL|SHOW{'|SELECT' if reads_rows else ''})\b"
            rf"|.*(?:\bpg_catalog\.|{history.version_table}|{recorder.TABLE.name})",
            re.IGNORECASE | re.DOTALL,
        )
        with connection.begin():
            committed = recorder.committed_statements(connection, history.name, revision)
        self._is_interrupted = committed is not None
        self._committed = committed or []
        self._executed: list[str] = []
        self._current: str | None = None
        self._is_paused = False
        event.listen(connection, "before_cursor_execute", self._before, retval=True)
        event.listen(connection, "after_cursor_execute", self._after)
        event.listen(connection, "commit", self._record)

    def finish(self) -> None:
        """Stop following: what comes next records the migration as applied."""
        self._is_paused = True

    @contextmanager
    def _paused(self) -> Iterator[None]:
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    def _before(
        self, connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> tuple[str, Any]:
        if self._is_paused or self._internal.match(statement):
            return statement, parameters
        position, self._current = len(self._executed), statement
        if position < len(self._committed):
            self._require_same(position, statement)
            return "SELECT", [()] if many else ()
        if self._is_interrupted and _is_autocommit(connection):
            with self._paused():
                _drop_invalid_index(connection, statement)
            for pattern, replacement in _REPEATABLE:
                statement = re.sub(pattern, replacement, statement, flags=re.IGNORECASE)
        return statement, parameters

    def _after(self, connection: Connection, *_: Any) -> None:
        if self._is_paused or self._current is None:
            return
        self._executed.append(self._current)
        self._current = None
        if _is_autocommit(connection):
            self._record(connection)

    def _record(self, connection: Connection) -> None:
        """Record what is committed; an empty list records that the next run may find executed statements."""
        if self._is_paused or len(self._executed) < len(self._committed):
            return
        with self._paused():
            recorder.record_committed(connection, self._history.name, self._revision, self._executed)

    def _require_same(self, position: int, statement: str) -> None:
        if statement != self._committed[position]:
            raise ConfigurationError(
                f"The migration {self._revision} of {self._history.name} was interrupted, and its statement "
                f"{position + 1} has changed since then.\nApplied: {self._committed[position]}\nNow: {statement}\n"
                f"Restore the statement in {self._history.file(self._revision)}."
            )


def _is_autocommit(connection: Connection) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _drop_invalid_index(connection: Connection, statement: str) -> None:
    found = _INDEX.match(statement)
    if found is not None and connection.scalar(_IS_INVALID, {"name": found.group(1)}):
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {found.group(1)}")
