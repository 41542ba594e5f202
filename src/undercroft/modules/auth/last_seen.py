"""Tracks when sessions were last used, which extends the expiry of cookie sessions."""

from typing import Any

from sqlalchemy import text

from undercroft.core.db import Statement
from undercroft.core.db.last_used import LastUsedTracker
from undercroft.core.settings import load
from undercroft.modules.auth.settings import AuthSettings


class LastSeen(LastUsedTracker):
    update_statement = Statement(
        text(
            "UPDATE auth_sessions AS s SET last_seen_at = seen.at, ip = seen.ip, "
            "expires_at = CASE WHEN s.kind = 'cookie' "
            "THEN least(seen.at + CAST(:idle AS interval), s.ends_at) ELSE s.expires_at END "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:at AS timestamptz[]), CAST(:ips AS text[])) AS seen (id, at, ip) "
            "WHERE s.id = seen.id AND s.revoked_at IS NULL AND s.last_seen_at < seen.at"
        )
    )

    def extra_values(self) -> dict[str, Any]:
        return {"idle": load(AuthSettings).idle_timeout}
