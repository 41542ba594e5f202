"""Track when API keys were last used."""

from sqlalchemy import text

from undercroft.core.db import Statement
from undercroft.core.db.last_used import LastUsedTracker


class ApiKeyLastUsed(LastUsedTracker):
    update_statement = Statement(
        text(
            "UPDATE api_keys AS k SET last_used_at = used.at, last_used_ip = used.ip "
            "FROM unnest(CAST(:ids AS uuid[]), CAST(:at AS timestamptz[]), CAST(:ips AS text[])) AS used (id, at, ip) "
            "WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)"
        )
    )
