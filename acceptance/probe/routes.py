"""Enqueues the probe's jobs, in a transaction that commits or not."""

from undercroft.modules.probe.tasks import STUBBORN, brief, mark

from undercroft.core.db import SessionDep
from undercroft.core.errors import Conflict
from undercroft.core.http import Exempt, Router
from undercroft.jobs import enqueue

NO_AUDIT = Exempt("It only enqueues jobs.")
NOT_RETRIED = Exempt("The acceptance tests do not retry it.")

router = Router(surface="public", prefix="/probe", include_in_schema=False)


@router.post("/jobs", status_code=202, audit=NO_AUDIT, idempotency=NOT_RETRIED)
async def enqueue_jobs(session: SessionDep, first: int, count: int, roll_back: bool = False) -> dict[str, list[str]]:
    jobs = [await enqueue(session, mark, number=number) for number in range(first, first + count)]
    if roll_back:
        raise Conflict
    return {"ids": [str(job.id) for job in jobs]}


@router.post("/stubborn", status_code=202, audit=NO_AUDIT, idempotency=NOT_RETRIED)
async def enqueue_stubborn(session: SessionDep, each: int, beside: int, seconds: float) -> dict[str, list[str]]:
    """So many jobs of every kind that does not stop, between short ones, each with a number of its own."""
    jobs = [await enqueue(session, brief, number=number) for number in range(beside)]
    for number in range(each * len(STUBBORN)):
        task = STUBBORN[number % len(STUBBORN)]
        jobs.append(await enqueue(session, task, number=beside + number, seconds=seconds))
    return {"ids": [str(job.id) for job in jobs]}
