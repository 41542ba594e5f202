"""Statements compiled once and run on the driver itself: for the paths where every microsecond counts."""

import re
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.sql import ClauseElement, Executable

from undercroft.core.db.tenancy import references_tenant_table

_DIALECT = dialect()  # type: ignore[no-untyped-call]
_PARAMETER = re.compile(r":(\w+)\b")

_WRITES = re.compile(
    r"^\s*(?:CREATE|ALTER|DROP|TRUNCATE|GRANT|REVOKE|CALL|DO)\b"
    r"|\b(?:INSERT\s+INTO|UPDATE\s+(?:ONLY\s+)?\S+\s+(?:AS\s+\S+\s+)?SET|DELETE\s+FROM|MERGE\s+INTO)\b"
    r"|\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE|KEY\s+SHARE)\b",
    re.IGNORECASE,
)

Bind = tuple[str, Any, Callable[[Any], Any] | None]


@lru_cache(maxsize=4096)
def is_write(sql: str) -> bool:
    """Whether a statement changes or locks rows, as far as its text shows; a function that writes is not seen."""
    return _WRITES.search(sql) is not None


class Statement:
    """A Core statement with `bindparam`s, compiled to PostgreSQL's `$1` form at its first use.

        FIND = Statement(select(Project.id).where(col(Project.id) == bindparam("id", type_=Uuid)))
        row = await session.fetchrow(FIND, id=project_id)

    Bind values go to asyncpg as they are, after the column type's own bind processor if it has one; rows come back
    as asyncpg gives them (JSONB decoded). Lists are passed with `= ANY(:ids)`: expanding `IN` cannot be compiled once.

    A large one is given as a function, so that it is not even put together before its first use.
    """

    def __init__(self, statement: Executable | Callable[[], Executable]) -> None:
        self._statement = statement

    @cached_property
    def _compiled(self) -> tuple[str, Sequence[Bind]]:
        statement = self._statement() if callable(self._statement) else self._statement
        assert isinstance(statement, ClauseElement)
        compiled = statement.compile(dialect=_DIALECT)
        processors = compiled._bind_processors  # type: ignore[attr-defined]
        names = compiled.positiontup or ()  # type: ignore[attr-defined]
        return compiled.string, [(name, compiled.params.get(name), processors.get(name)) for name in names]

    @property
    def sql(self) -> str:
        return self._compiled[0]

    @property
    def autocommit_sql(self) -> str:
        """The same for a transaction of its own, in which it gives up a lock that it does not get at once."""
        return self.sql

    @cached_property
    def is_tenant_scoped(self) -> bool:
        """Whether it names a table of a team's rows."""
        return references_tenant_table(self.sql)

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values in the order of `$1, $2, …`; one that is not given keeps what the statement was built with."""
        return [
            (process(values.get(name, default)) if process else values.get(name, default))
            for name, default, process in self._compiled[1]
        ]


_LOCK_TIMEOUT_CTE = "impatient AS MATERIALIZED (SELECT set_config('lock_timeout', '50ms', true))"
"""Ends with the transaction, so it costs no round trip and nobody else sees it."""


class WithCte(Statement):
    """A statement that writes rows, and others that run with it in the same round trip and succeed or fail with it.

        WithCte(INSERT, "noted AS (INSERT INTO notes SELECT id, :note FROM written)")

    `ctes` are further members of one WITH. They see what the first statement returned as `written` and take their
    own values as `:name`, each given once; cast as `CAST(:name AS type)`. The rows are those of the first statement.
    """

    def __init__(self, statement: Statement, ctes: str) -> None:
        self._first = statement
        self._ctes = ctes

    @cached_property
    def autocommit_sql(self) -> str:
        members = self.sql.removeprefix("WITH ").removesuffix(" SELECT * FROM written")
        return f"WITH {_LOCK_TIMEOUT_CTE}, {members} SELECT written.* FROM written, impatient"  # noqa: S608 - our own

    @cached_property
    def _compiled(self) -> tuple[str, Sequence[Bind]]:
        sql, binds = self._first._compiled
        names = _PARAMETER.findall(self._ctes)
        numbers = {name: len(binds) + number for number, name in enumerate(names, 1)}
        ctes = _PARAMETER.sub(lambda found: f"${numbers[found[1]]}", self._ctes)
        sql = f"WITH written AS ({sql}), {ctes} SELECT * FROM written"  # noqa: S608 - compiled from our own
        return sql, [*binds, *((name, None, None) for name in names)]
