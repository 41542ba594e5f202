"""Enqueues the probe's jobs, in a transaction that commits or not."""

from undercroft.modules.probe.tasks import mark

from undercroft.core.auth import Router
from undercroft.core.db import SessionDep
from undercroft.core.errors import Conflict
from undercroft.jobs import enqueue

router = Router(surface="public", prefix="/probe", include_in_schema=False)


@router.post("/jobs", status_code=202)
async def enqueue_jobs(session: SessionDep, first: int, count: int, roll_back: bool = False) -> dict[str, list[str]]:
    jobs = [await enqueue(session, mark, number=number) for number in range(first, first + count)]
    if roll_back:
        raise Conflict
    return {"ids": [str(job.id) for job in jobs]}
