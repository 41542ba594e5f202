"""Routes of platform statistics."""

from undercroft.core.db import ReadSessionDep
from undercroft.core.http import Router
from undercroft.core.http.tags import Tag
from undercroft.modules.statistics import service
from undercroft.modules.statistics.schemas import Statistics

STATISTICS = Tag("Statistics", "Platform statistics.", group="Administration")

router = Router(surface="admin", prefix="/statistics", tag=STATISTICS)


@router.get("", response_model=Statistics, summary="Get platform statistics")
async def read_statistics(session: ReadSessionDep) -> Statistics:
    """Returns current counts of users, teams, sessions, API keys and jobs."""
    return await service.collect_statistics(session)
