"""Jobs and schedules over HTTP, for administrators."""

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

JOBS = Tag("Jobs", "Background work: what ran, what waits, what failed.", group="Administration")

router = Router(surface="admin", prefix="/jobs", tag=JOBS)


class JobQuery(ListQuery):
    sortable = JobRepository.sortable

    task: str | None = Field(None, max_length=200, description="The task's whole name.")
    status: JobStatus | None = None
    queue: str | None = Field(None, max_length=200)
    key: str | None = Field(None, max_length=500, description="The whole key; `q` finds parts of it.")


@router.get(
    "",
    response_model=Page[JobRead] | CursorPage[JobRead],
    summary="List jobs",
    responses=responses(UnknownSort, InvalidCursor),
)
async def list_jobs(
    query: Annotated[JobQuery, query(JobQuery)], session: ReadSessionDep
) -> Page[JobRead] | CursorPage[JobRead]:
    """By pages with a total, newest first unless `sort` says otherwise; with `cursor` or `limit` by stretches."""
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
    """The next to run first. A schedule appears once a worker has started that knows it."""
    return ScheduleList(items=[ScheduleRead.model_validate(row) for row in await JobReadService(session).schedules()])


@router.get("/queues", response_model=QueueList, summary="List queue depths")
async def list_queues(session: ReadSessionDep) -> QueueList:
    """The unfinished jobs of each task that has any, by queue and task, and how many live workers run it."""
    health = await JobReadService(session).health()
    return QueueList(workers=health.workers, items=[BacklogRead.model_validate(each) for each in health.backlog])


@router.get("/{job_id:uuid}", response_model=JobDetail, summary="Read a job", responses=responses(JobNotFound))
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
    """A job that failed, succeeded or was cancelled is queued again, with all its attempts before it."""
    return await JobService(session, principal).retry(job_id)


@router.delete(
    "/{job_id:uuid}",
    response_model=JobDetail,
    summary="Cancel a job",
    responses=responses(JobNotFound, JobFinished),
)
@step_up_exempt("It takes nothing but time.")
async def cancel_job(job_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> Job:
    """One that waits is cancelled at once. One that runs is asked to stop (`cancel_requested`) and is cancelled soon
    after, unless it finishes first. A finished job is history and stays.
    """
    return await JobService(session, principal).cancel(job_id)
