"""Monthly partitions of the audit log. Any role can create them in advance; only the table owner can drop them."""

import re
from datetime import UTC, datetime

import asyncpg
from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.errors import ConfigurationError
from undercroft.modules.audit.repository import PartitionRepository

PARENTS = ("audit_entries", "audit_personal")

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
            partitions = PartitionRepository(session)
            await partitions.lock()
            expired = await _expired_months(partitions, first_kept)
            if expired and not dry_run:
                for month in expired:
                    for parent, name in zip(PARENTS, (month.entries, month.personal), strict=True):
                        await partitions.drop(parent, name, is_default=_MONTH.search(name) is None)
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


async def _expired_months(partitions: PartitionRepository, first_kept: datetime) -> list[ExpiredMonth]:
    expired = []
    for name in await partitions.list(PARENTS[0]):
        month = _MONTH.search(name)
        if month and datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC) >= first_kept:
            continue
        personal = name.replace(PARENTS[0], PARENTS[1], 1)
        count, newest = await partitions.stats(name)
        if month or (newest is not None and max(newest, (await partitions.stats(personal))[1] or newest) < first_kept):
            expired.append(ExpiredMonth(name, personal, count))
    return expired


async def _record(session: Session, expired: list[ExpiredMonth], first_kept: datetime) -> None:
    before = {"months": [month.label for month in expired], "entries": sum(month.count for month in expired)}
    details = {"kept_from": first_kept}
    entry = Entry("audit.pruned", target_type="audit", before=before, after={"entries": 0}, details=details)
    await record(session, entry)
