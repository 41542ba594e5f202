"""Admin routes of backfills."""

from typing import Annotated

from fastapi import Path

from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import Exempt, Router, Tag
from undercroft.jobs.errors import BackfillNotFound, BackfillStateConflict
from undercroft.modules.backfills.schemas import BackfillList, BackfillRead
from undercroft.modules.backfills.service import BackfillService

BACKFILLS = Tag("Backfills", "Changes of existing rows, in batches.", group="Administration")

router = Router(surface="admin", prefix="/backfills", tag=BACKFILLS)

Name = Annotated[str, Path(max_length=200, description="Name of the backfill.", examples=["example.fill_durations"])]
ERRORS = (BackfillNotFound, BackfillStateConflict)
REVERSIBLE = Exempt("It can be undone, and changes no data of users.")


@router.get("", summary="List backfills")
async def list_backfills(session: ReadSessionDep) -> BackfillList:
    """Return all backfills with their progress, including those of other releases."""
    return BackfillList(items=[BackfillRead.of(row) for row in await BackfillService(session).list()])


@router.post("/{name}/pause", audit="backfill.paused", step_up=REVERSIBLE, summary="Pause a backfill", errors=ERRORS)
async def pause_backfill(name: Name, session: SessionDep) -> BackfillRead:
    """Stop it after its current batch. It remains paused, also over restarts, until it is resumed."""
    return BackfillRead.of(await BackfillService(session).pause(name))


@router.post("/{name}/resume", audit="backfill.resumed", step_up=REVERSIBLE, summary="Resume a backfill", errors=ERRORS)
async def resume_backfill(name: Name, session: SessionDep) -> BackfillRead:
    """Continue a paused backfill in a worker, after its last batch."""
    return BackfillRead.of(await BackfillService(session).resume(name))


@router.post("/{name}/retry", audit="backfill.retried", step_up=REVERSIBLE, summary="Retry a backfill", errors=ERRORS)
async def retry_backfill(name: Name, session: SessionDep) -> BackfillRead:
    """Continue a failed or canceled backfill after its last batch, or start a completed one again."""
    return BackfillRead.of(await BackfillService(session).retry(name))


@router.post(
    "/{name}/cancel", audit="backfill.canceled", step_up=REVERSIBLE, summary="Cancel a backfill", errors=ERRORS
)
async def cancel_backfill(name: Name, session: SessionDep) -> BackfillRead:
    """Stop it after its current batch, until it is retried. What it has changed remains."""
    return BackfillRead.of(await BackfillService(session).cancel(name))
