"""Routes of platform statistics."""

from undercroft.core.context import current_context
from undercroft.core.db import ReadSessionDep, utc_now
from undercroft.core.http import Router, Tag
from undercroft.core.statistics import StatisticsSections, collect, collect_daily
from undercroft.modules.admin.schemas import DailyStatistics, PlatformStatistics

DAYS = 30

STATISTICS = Tag("Statistics", "Platform statistics.", group="Administration")

router = Router(surface="admin", prefix="/statistics", tag=STATISTICS)


@router.get("", summary="Get platform statistics")
async def read_statistics(session: ReadSessionDep) -> PlatformStatistics:
    """Returns current counts of users, teams, sessions, API keys and jobs."""
    now = utc_now()
    sections = await collect(session, current_context().get(StatisticsSections).by_name, now)
    return PlatformStatistics.model_validate(
        {**{name: each.model_dump() for name, each in sections.items()}, "counted_at": now}
    )


@router.get("/daily", summary="Get daily statistics")
async def read_daily_statistics(session: ReadSessionDep) -> DailyStatistics:
    """Returns counts for each of the last 30 days, such as registrations and users who signed in."""
    sections = current_context().get(StatisticsSections).by_name
    return DailyStatistics.of(await collect_daily(session, sections, utc_now(), length=DAYS))
