"""Counts over HTTP, for administrators."""

from undercroft.core.db import ReadSessionDep
from undercroft.core.http import Router
from undercroft.core.http.tags import Tag
from undercroft.modules.statistics import service
from undercroft.modules.statistics.schemas import Statistics

STATISTICS = Tag("Statistics", "How many there are of everything.", group="Administration")

router = Router(surface="admin", prefix="/statistics", tag=STATISTICS)


@router.get("", response_model=Statistics, summary="Read the statistics")
async def read_statistics(session: ReadSessionDep) -> Statistics:
    """Counted when asked, in one statement."""
    return await service.collect_statistics(session)
