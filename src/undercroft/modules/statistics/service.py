"""What administrators read at a glance."""

from undercroft.core.db import ReadSession, utc_now
from undercroft.modules.statistics.repository import StatisticsRepository
from undercroft.modules.statistics.schemas import Statistics


async def collect_statistics(session: ReadSession) -> Statistics:
    """How many there are of everything now."""
    now = utc_now()
    found = await StatisticsRepository(session).count(now)
    jobs = found.pop("jobs")
    failed = jobs.pop("failed_24_hours")
    return Statistics.model_validate(
        {**found, "jobs": {"by_status": jobs, "failed_24_hours": failed}, "counted_at": now}
    )
