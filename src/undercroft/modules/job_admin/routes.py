"""Admin routes of jobs and schedules."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.db.repository import UnknownSort
from undercroft.core.http import CurrentPrincipal, Router
from undercroft.core.http.errors import responses
from undercroft.core.http.pagination import CursorPage, InvalidCursor, ListQuery, Page, encode_cursor
from undercroft.core.http.query import query
from undercroft.core.http.step_up_policy import step_up_exempt
from undercroft.core.http.tags import Tag
from undercroft.jobs.errors import JobFinished, JobKeyTaken, JobNotFinished, JobNotFound
from undercroft.jobs.models import Job, JobStatus
from undercroft.modules.job_admin.repository import JobRepository
from undercroft.modules.job_admin.schemas import (
    BacklogRead,
    JobDetail,
    JobRead,
    QueueList,
    ScheduleList,
    ScheduleRead,
)
from undercroft.modules.job_admin.service import JobReadService, JobService, build_filters

JOBS = Tag("Jobs", "Background jobs, schedules and queues.", group="Administration")

router = Router(surface="admin", prefix="/jobs", tag=JOBS)


class JobQuery(ListQuery):
    sortable = JobRepository.sortable

    task: str | None = Field(None, max_length=200, description="Full name of the task.")
    status: JobStatus | None = None
    queue: str | None = Field(None, max_length=200)
    key: str | None = Field(None, max_length=500, description="Full key. Use `q` to search for a part of it.")


@router.get(
    "",
    response_model=Page[JobRead] | CursorPage[JobRead],
    summary="List jobs",
    responses=responses(UnknownSort, InvalidCursor),
)
async def list_jobs(
    query: Annotated[JobQuery, query(JobQuery)], session: ReadSessionDep
) -> Page[JobRead] | CursorPage[JobRead]:
    """Return offset pages with a total count, or cursor pages when `cursor` or `limit` is given.

    Offset pages are sorted by `sort`, newest first by default; cursor pages are always sorted newest first.
    """
    jobs = JobReadService(session)
    where = build_filters(task=query.task, status=query.status, queue=query.queue, key=query.key)
    if query.uses_cursor:
        page = await jobs.list_after(*where, q=query.q, after=query.position, limit=query.limit or 20)
        items = [JobRead.model_validate(job) for job in page.items]
        return CursorPage(items=items, next_cursor=encode_cursor(page.next))
    found = await jobs.list(*where, q=query.q, sort=query.checked_sort, page=query.page, size=query.size)
    items = [JobRead.model_validate(job) for job in found.items]
    return Page.of(items, total=found.total, page=query.page, size=query.size)


@router.get("/schedules", response_model=ScheduleList, summary="List schedules")
async def list_schedules(session: ReadSessionDep) -> ScheduleList:
    """Sorted by the next run. A schedule is listed after the first start of a worker whose release contains it."""
    return ScheduleList(items=[ScheduleRead.model_validate(row) for row in await JobReadService(session).schedules()])


@router.get("/queues", response_model=QueueList, summary="List queue depths")
async def list_queues(session: ReadSessionDep) -> QueueList:
    """Return the number of unfinished jobs per queue and task, and the number of live workers that run each task."""
    health = await JobReadService(session).health()
    return QueueList(workers=health.workers, items=[BacklogRead.model_validate(each) for each in health.backlog])


@router.get("/{job_id:uuid}", response_model=JobDetail, summary="Get a job", responses=responses(JobNotFound))
async def read_job(job_id: UUID, session: ReadSessionDep) -> Job:
    return await JobReadService(session).read(job_id)


@router.post(
    "/{job_id:uuid}/retry",
    response_model=JobDetail,
    summary="Retry a job",
    responses=responses(JobNotFound, JobNotFinished, JobKeyTaken),
)
@step_up_exempt("The job does what it was enqueued to do.")
async def retry_job(job_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> Job:
    """Queue a failed, succeeded or canceled job again with its full number of attempts."""
    return await JobService(session, principal).retry(job_id)


@router.delete(
    "/{job_id:uuid}",
    response_model=JobDetail,
    summary="Cancel a job",
    responses=responses(JobNotFound, JobFinished),
)
@step_up_exempt("It only stops a job.")
async def cancel_job(job_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> Job:
    """Cancel a waiting job immediately. A running job is requested to stop (`cancel_requested`) and is canceled shortly
    afterwards unless it finishes first. A finished job cannot be canceled.
    """
    return await JobService(session, principal).cancel(job_id)
