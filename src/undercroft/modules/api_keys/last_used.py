"""When keys were last used: noted in memory, written in batches, so that a request never writes for it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from undercroft.core.db import Database, Statement, utc_now

MOST = 50_000

_WRITE = Statement(
    text(
        "UPDATE api_keys AS k SET last_used_at = seen.at, last_used_ip = seen.ip "
        "FROM unnest(CAST(:ids AS uuid[]), CAST(:at AS timestamptz[]), CAST(:ips AS text[])) AS seen (id, at, ip) "
        "WHERE k.id = seen.id AND (k.last_used_at IS NULL OR k.last_used_at < seen.at)"
    )
)


class LastUsed:
    """What was used since the last flush: each key once, with its latest moment and address."""

    def __init__(self) -> None:
        self._used: dict[UUID, tuple[datetime, str]] = {}

    def note(self, key_id: UUID, ip: str) -> None:
        if len(self._used) < MOST or key_id in self._used:
            self._used[key_id] = (utc_now(), ip)

    async def flush(self, database: Database) -> int:
        """Write what was noted, in one statement; how many keys there were. What fails is noted again."""
        used, self._used = self._used, {}
        if not used:
            return 0
        ids = sorted(used)
        try:
            async with database.session() as session:
                await session.fetch(
                    _WRITE, ids=ids, at=[used[each][0] for each in ids], ips=[used[each][1] for each in ids]
                )
        except BaseException:
            self._used = used | self._used
            raise
        return len(used)
