"""The months of the audit log: made ahead by anybody, dropped by the owner of the tables alone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
from msgspec import Struct
from sqlalchemy import text

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session, Statement, utc_now
from undercroft.core.errors import ConfigurationError

MONTHS_AHEAD = 12
PARENTS = ("audit_entries", "audit_personal")

_ADD = Statement(text("SELECT audit_add_partitions(CAST(:months AS integer)) AS made"))
_LOCK = Statement(text("SELECT pg_advisory_xact_lock(hashtextextended('audit.partitions', 0)) AS held"))
"""Nobody else makes or drops months until the transaction ends; `audit_add_partitions` asks for the same."""
_PARTITIONS = Statement(
    text(
        "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = CAST(CAST(:parent AS text) AS regclass) ORDER BY c.relname"
    )
)
_MONTH = re.compile(r"_(\d{4})_(\d{2})$")


class ExpiredMonth(Struct, frozen=True):
    """A partition of entries whose time is over, how many there are, and the partition of what is kept apart."""

    entries: str
    personal: str
    count: int

    @property
    def label(self) -> str:
        """`2024-10`, or `unsorted` for the partition of what no month fitted."""
        found = _MONTH.search(self.entries)
        return f"{found[1]}-{found[2]}" if found else "unsorted"


async def add_partitions(session: Session) -> int:
    """Make the partitions of this month and a year ahead; how many were missing."""
    row = await session.fetchrow(_ADD, months=MONTHS_AHEAD)
    assert row is not None
    made: int = row["made"]
    return made


async def prune(database: Database, *, keep_months: int, dry_run: bool = False) -> list[ExpiredMonth]:
    """Drop the whole months before the last `keep_months` and what is kept apart from them, and record that.

    `database` is the one of the tables' owner. Raises `ConfigurationError` for anybody else. Nothing is dropped when
    `keep_months` is 0.
    """
    if not keep_months:
        return []
    first_kept = _first_of_month(utc_now(), keep_months)
    try:
        async with database.session() as session:
            await session.fetchrow(_LOCK)
            over = await _expired_months(session, first_kept)
            if over and not dry_run:
                await _drop(session, over)
                await _record(session, over, first_kept)
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            "Only the owner of the tables may drop months of the audit log. Set MIGRATION_DATABASE_URL to that role."
        ) from error
    return over


def _first_of_month(moment: datetime, earlier: int) -> datetime:
    """The beginning of the month that is so many before this moment's."""
    months = moment.year * 12 + moment.month - 1 - earlier
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


async def _expired_months(session: Session, first_kept: datetime) -> list[ExpiredMonth]:
    over = []
    for row in await session.fetch(_PARTITIONS, parent=PARENTS[0]):
        name, month = row["name"], _MONTH.search(row["name"])
        if month and datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC) >= first_kept:
            continue
        apart = name.replace(PARENTS[0], PARENTS[1], 1)
        count, newest = await _partition_stats(session, name)
        if month or (
            newest is not None and max(newest, (await _partition_stats(session, apart))[1] or newest) < first_kept
        ):
            over.append(ExpiredMonth(name, apart, count))
    return over


async def _partition_stats(session: Session, partition: str) -> tuple[int, datetime | None]:
    """How many rows there are, and when the newest is from."""
    facts = f"SELECT count(*) AS count, max(occurred_at) AS newest FROM {partition}"  # noqa: S608 - from the catalogue
    found = await (await session.raw()).fetchrow(facts)
    return found["count"], found["newest"]


async def _drop(session: Session, over: list[ExpiredMonth]) -> None:
    connection = await session.raw()
    for month in over:
        for statement in _drop_statements(month):
            await connection.execute(statement)


def _drop_statements(month: ExpiredMonth) -> Iterator[str]:
    """Drop a month; the default partition is made anew at once."""
    for parent, name in zip(PARENTS, (month.entries, month.personal), strict=True):
        yield f"DROP TABLE IF EXISTS {name}"
        if _MONTH.search(name) is None:
            yield f"SELECT audit_partition('{parent}', '{name}', 'DEFAULT')"


async def _record(session: Session, over: list[ExpiredMonth], first_kept: datetime) -> None:
    before = {"months": [month.label for month in over], "entries": sum(month.count for month in over)}
    details = {"kept_from": first_kept}
    entry = Entry("audit.pruned", target_type="audit", before=before, after={"entries": 0}, details=details)
    await record(session, entry)
