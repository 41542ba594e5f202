"""When rows were last used and from where: noted in memory, written in batches, so that no request writes for it."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from undercroft.core.db.models import utc_now
from undercroft.core.db.session import Database
from undercroft.core.db.statement import Statement

MAX_TRACKED = 50_000


class LastUsedTracker:
    """What was used since the last flush: each row once, with its latest moment and address.

    `update_statement` is what writes them; it takes arrays of one length, `:ids`, `:at` and `:ips`, and what
    `extra_values` gives.
    """

    update_statement: ClassVar[Statement]

    def __init__(self) -> None:
        self._used: dict[UUID, tuple[datetime, str]] = {}

    def extra_values(self) -> dict[str, Any]:
        return {}

    def record_use(self, key: UUID, ip: str) -> None:
        if len(self._used) < MAX_TRACKED or key in self._used:
            self._used[key] = (utc_now(), ip)

    async def flush(self, database: Database) -> int:
        """Write what was noted, in one statement; how many rows there were. What fails is noted again."""
        used, self._used = self._used, {}
        if not used:
            return 0
        ids = sorted(used)
        at, ips = zip(*(used[each] for each in ids), strict=True)
        try:
            async with database.session() as session:
                await session.fetch(self.update_statement, ids=ids, at=at, ips=ips, **self.extra_values())
        except BaseException:
            self._used = used | self._used
            raise
        return len(used)
