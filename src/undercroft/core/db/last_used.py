"""Track when and from where rows were last used: in memory, written in batches, so that requests do not write it."""

from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from undercroft.core.db.database import Database
from undercroft.core.db.models import utc_now
from undercroft.core.db.statement import Statement
from undercroft.core.periodic import Periodic

FLUSH_SECONDS = 15
MAX_TRACKED = 50_000


class LastUsedTracker:
    """The uses since the last flush: each row once, with its latest time and IP address.

    `update_statement` writes them. Its parameters are the arrays `:ids`, `:at` and `:ips`, and those of `extra_values`.
    """

    update_statement: ClassVar[Statement]

    def __init__(self) -> None:
        self._used: dict[UUID, tuple[datetime, str]] = {}

    def start(self, database: Database) -> None:
        """Write the recorded uses every 15 seconds until `stop`."""
        self._periodic = Periodic(type(self).__name__, FLUSH_SECONDS, partial(self.flush, database))

    async def stop(self, database: Database) -> None:
        """Stop, and write the remaining uses if the database is available."""
        await self._periodic.close()
        with suppress(Exception):
            await self.flush(database)

    def extra_values(self) -> dict[str, Any]:
        return {}

    def record_use(self, key: UUID, ip: str) -> None:
        if len(self._used) < MAX_TRACKED or key in self._used:
            self._used[key] = (utc_now(), ip)

    async def flush(self, database: Database) -> int:
        """Write the recorded uses in one statement and return their number. On an error they are recorded again."""
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
