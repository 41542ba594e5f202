"""Statements that are compiled once and run directly on the driver, for code where every microsecond counts."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.sql import ClauseElement, Executable

from undercroft.core.db.tenancy import references_tenant_table

_DIALECT = dialect()  # type: ignore[no-untyped-call]
_PARAMETER = re.compile(r":(\w+)\b")
_POSITION = re.compile(r"\$(\d+)\b")

_WRITES = re.compile(
    r"^\s*(?:CREATE|ALTER|DROP|TRUNCATE|GRANT|REVOKE|CALL|DO)\b"
    r"|\b(?:INSERT\s+INTO|UPDATE\s+(?:ONLY\s+)?\S+\s+(?:AS\s+\S+\s+)?SET|DELETE\s+FROM|MERGE\s+INTO)\b"
    r"|\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE|KEY\s+SHARE)\b",
    re.IGNORECASE,
)

Bind = tuple[str, Any, Callable[[Any], Any] | None]


@lru_cache(maxsize=4096)
def is_write(sql: str) -> bool:
    """Whether a statement changes or locks rows, judged by its text; functions that write are not detected."""
    return _WRITES.search(sql) is not None


class Statement:
    """A Core statement with `bindparam`s, compiled to PostgreSQL's `$1` form on first use.

        FIND = Statement(select(Project.id).where(col(Project.id) == bindparam("id", type_=Uuid)))
        row = await session.fetchrow(FIND, id=project_id)

    Bind values are passed to asyncpg unchanged, except for the column type's bind processor if it has one; rows are
    returned as asyncpg's records (JSONB decoded). Pass lists by `= ANY(:ids)`: an expanding `IN` cannot be compiled
    once.

    A large statement can be passed as a function, which is called on first use.
    """

    def __init__(self, statement: Executable | Callable[[], Executable]) -> None:
        self._statement = statement

    @cached_property
    def compiled(self) -> tuple[str, Sequence[Bind]]:
        statement = self._statement() if callable(self._statement) else self._statement
        assert isinstance(statement, ClauseElement)
        compiled: Any = statement.compile(dialect=_DIALECT)
        return compiled.string, [
            (name, compiled.params.get(name), compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
            for name in compiled.positiontup or ()
        ]

    @property
    def sql(self) -> str:
        return self.compiled[0]

    @property
    def autocommit_sql(self) -> str:
        """The SQL for a transaction of its own, with a short lock timeout if the statement supports it."""
        return self.sql

    @cached_property
    def is_tenant_scoped(self) -> bool:
        """Whether the statement names a table of a team's rows."""
        return references_tenant_table(self.sql)

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values in the order of `$1, $2, …`; missing ones default to those of the statement."""
        return [
            (process(values.get(name, default)) if process else values.get(name, default))
            for name, default, process in self.compiled[1]
        ]


_LOCK_TIMEOUT_CTE = "short_lock_timeout AS MATERIALIZED (SELECT set_config('lock_timeout', '50ms', true))"
"""The setting ends with the transaction, so it needs no extra round trip and affects no other statement."""


class WithCte(Statement):
    """A statement that writes rows, and others that run in the same round trip and succeed or fail with it.

        WithCte(INSERT, "note AS (INSERT INTO notes SELECT id, :note FROM written)")

    `ctes` are further members of the WITH clause: as text, which takes its own values as `:name`, each used once and
    cast as `CAST(:name AS type)`, or as statements by the name of their member. They see the rows of the first
    statement as `written`. The result is the rows of the first statement, which may have such members itself.
    """

    def __init__(self, statement: Statement, ctes: str | Mapping[str, Statement]) -> None:
        self._first = statement
        self._ctes = ctes

    @cached_property
    def autocommit_sql(self) -> str:
        return f"WITH {_LOCK_TIMEOUT_CTE}, {self.members[0]} SELECT written.* FROM written, short_lock_timeout"  # noqa: S608

    @cached_property
    def compiled(self) -> tuple[str, Sequence[Bind]]:
        members, binds = self.members
        return f"WITH {members} SELECT * FROM written", binds  # noqa: S608

    @cached_property
    def members(self) -> tuple[str, Sequence[Bind]]:
        """The members of the WITH clause, and the values of all of them."""
        if isinstance(self._first, WithCte):
            members, binds = self._first.members
        else:
            sql, binds = self._first.compiled
            members = f"written AS ({sql})"
        if isinstance(self._ctes, str):
            names = _PARAMETER.findall(self._ctes)
            numbers = {name: len(binds) + number for number, name in enumerate(names, 1)}
            ctes = _PARAMETER.sub(lambda found: f"${numbers[found[1]]}", self._ctes)
            return f"{members}, {ctes}", [*binds, *((name, None, None) for name in names)]
        for name, statement in self._ctes.items():
            sql, more = statement.compiled
            members += f", {name} AS ({_renumber(sql, len(binds))})"
            binds = [*binds, *more]
        return members, binds


def _renumber(sql: str, offset: int) -> str:
    """Count the parameters `$1, $2, …` from another number."""
    return _POSITION.sub(lambda found: f"${int(found[1]) + offset}", sql)
