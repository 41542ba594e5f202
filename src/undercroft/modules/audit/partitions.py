"""Monthly partitions of the audit log. Any role can create them in advance; only the table owner can drop them."""

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

_ADD = Statement(text("SELECT audit_add_partitions(CAST(:months AS integer)) AS created"))
_LOCK = Statement(text("SELECT pg_advisory_xact_lock(hashtextextended('audit.partitions', 0)) AS locked"))
"""Serializes changes of partitions until the transaction ends; `audit_add_partitions` takes the same lock."""
_PARTITIONS = Statement(
    text(
        "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = CAST(CAST(:parent AS text) AS regclass) ORDER BY c.relname"
    )
)
_MONTH = re.compile(r"_(\d{4})_(\d{2})$")


class ExpiredMonth(Struct, frozen=True):
    """An expired partition with its number of entries, and the matching partition of personal values."""

    entries: str
    personal: str
    count: int

    @property
    def label(self) -> str:
        """Return a month such as `2024-10`, or `unsorted` for the default partition."""
        found = _MONTH.search(self.entries)
        return f"{found[1]}-{found[2]}" if found else "unsorted"


async def add_partitions(session: Session) -> int:
    """Create missing partitions for this month and the next 12; return the number created."""
    row = await session.fetchrow(_ADD, months=MONTHS_AHEAD)
    assert row is not None
    created: int = row["created"]
    return created


async def prune(database: Database, *, keep_months: int, dry_run: bool = False) -> list[ExpiredMonth]:
    """Drop the partitions of months before the last `keep_months`, with personal values, and record an audit entry.

    `database` must connect as the owner of the tables; else raises `ConfigurationError`. If `keep_months` is 0, nothing
    is dropped.
    """
    if not keep_months:
        return []
    first_kept = _first_of_month(utc_now(), keep_months)
    try:
        async with database.session() as session:
            await session.fetchrow(_LOCK)
            expired = await _expired_months(session, first_kept)
            if expired and not dry_run:
                await _drop(session, expired)
                await _record(session, expired, first_kept)
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            "Only the owner of the tables can drop months of the audit log. Set MIGRATION_DATABASE_URL to that role."
        ) from error
    return expired


def _first_of_month(moment: datetime, earlier: int) -> datetime:
    """Return the first moment of the month that is `earlier` months before this one."""
    months = moment.year * 12 + moment.month - 1 - earlier
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


async def _expired_months(session: Session, first_kept: datetime) -> list[ExpiredMonth]:
    expired = []
    for row in await session.fetch(_PARTITIONS, parent=PARENTS[0]):
        name, month = row["name"], _MONTH.search(row["name"])
        if month and datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC) >= first_kept:
            continue
        personal = name.replace(PARENTS[0], PARENTS[1], 1)
        count, newest = await _partition_stats(session, name)
        if month or (
            newest is not None and max(newest, (await _partition_stats(session, personal))[1] or newest) < first_kept
        ):
            expired.append(ExpiredMonth(name, personal, count))
    return expired


async def _partition_stats(session: Session, partition: str) -> tuple[int, datetime | None]:
    """Return the number of rows and the time of the newest."""
    query = f"SELECT count(*) AS count, max(occurred_at) AS newest FROM {partition}"  # noqa: S608 - from the catalog
    found = await (await session.raw()).fetchrow(query)
    return found["count"], found["newest"]


async def _drop(session: Session, expired: list[ExpiredMonth]) -> None:
    connection = await session.raw()
    for month in expired:
        for statement in _drop_statements(month):
            await connection.execute(statement)


def _drop_statements(month: ExpiredMonth) -> Iterator[str]:
    """Yield the statements that drop a month; an expired default partition is created again."""
    for parent, name in zip(PARENTS, (month.entries, month.personal), strict=True):
        yield f"DROP TABLE IF EXISTS {name}"
        if _MONTH.search(name) is None:
            yield f"SELECT audit_partition('{parent}', '{name}', 'DEFAULT')"


async def _record(session: Session, expired: list[ExpiredMonth], first_kept: datetime) -> None:
    before = {"months": [month.label for month in expired], "entries": sum(month.count for month in expired)}
    details = {"kept_from": first_kept}
    entry = Entry("audit.pruned", target_type="audit", before=before, after={"entries": 0}, details=details)
    await record(session, entry)
