"""When sessions were last used: noted in memory, written in batches, so that reading never writes."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from undercroft.core.db import Database, Statement, utc_now
from undercroft.core.settings import load
from undercroft.modules.auth.settings import AuthSettings

MOST = 50_000

_WRITE = Statement(
    text(
        "UPDATE auth_sessions AS s SET last_seen_at = CAST(:now AS timestamptz), ip = seen.ip, "
        "expires_at = CASE WHEN s.kind = 'cookie' "
        "THEN least(CAST(:now AS timestamptz) + CAST(:idle AS interval), s.ends_at) ELSE s.expires_at END "
        "FROM unnest(CAST(:ids AS uuid[]), CAST(:ips AS text[])) AS seen (id, ip) "
        "WHERE s.id = seen.id AND s.revoked_at IS NULL"
    )
)


class LastSeen:
    """What was seen since the last flush: each session once, with the address it was last used from."""

    def __init__(self) -> None:
        self._seen: dict[UUID, str] = {}

    def note(self, session_id: UUID, ip: str) -> None:
        if len(self._seen) < MOST or session_id in self._seen:
            self._seen[session_id] = ip

    async def flush(self, database: Database) -> int:
        """Write what was noted, in one statement; how many sessions there were. What fails is noted again."""
        seen, self._seen = self._seen, {}
        if not seen:
            return 0
        ids = sorted(seen)
        idle: timedelta = load(AuthSettings).idle_life
        try:
            async with database.session() as session:
                await session.fetch(_WRITE, now=utc_now(), idle=idle, ids=ids, ips=[seen[each] for each in ids])
        except BaseException:
            self._seen = seen | self._seen
            raise
        return len(seen)
