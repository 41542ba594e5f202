"""Collect platform statistics."""

from undercroft.core.db import ReadSession, utc_now
from undercroft.modules.statistics.repository import StatisticsRepository
from undercroft.modules.statistics.schemas import Statistics


async def collect_statistics(session: ReadSession) -> Statistics:
    """Count users, teams, sessions, API keys and jobs."""
    now = utc_now()
    found = await StatisticsRepository(session).count(now)
    jobs = found.pop("jobs")
    failed = jobs.pop("failed_24_hours")
    return Statistics.model_validate(
        {**found, "jobs": {"by_status": jobs, "failed_24_hours": failed}, "counted_at": now}
    )
