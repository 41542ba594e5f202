"""Admin routes of jobs and schedules."""

from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import Field

from undercroft.core.db import ReadSessionDep, SessionDep, UnknownSort
from undercroft.core.http import Audit, Exempt, InvalidCursor, ListQuery, Page, Router, Tag
from undercroft.core.http.query import query
from undercroft.jobs.errors import JobFinished, JobKeyTaken, JobNotFinished, JobNotFound, ScheduleNotFound
from undercroft.jobs.models import Job, JobStatus
from undercroft.jobs.registry import tasks
from undercroft.modules.jobs.repository import JobRepository
from undercroft.modules.jobs.schemas import (
    BacklogRead,
    JobDetail,
    JobRead,
    QueueList,
    ScheduleList,
    ScheduleRead,
    TaskList,
    TaskRead,
)
from undercroft.modules.jobs.service import JobService

JOBS = Tag("Jobs", "Background jobs, schedules and queues.", group="Administration")

router = Router(surface="admin", prefix="/jobs", tag=JOBS)


TaskName = Annotated[str, Path(max_length=200, description="Name of the task.", examples=["projects.clean_up"])]


class JobQuery(ListQuery):
    sortable = JobRepository.sortable

    task: str | None = Field(None, max_length=200, description="Full name of the task.")
    status: JobStatus | None = None
    queue: str | None = Field(None, max_length=200, description="Name of the queue.")
    key: str | None = Field(None, max_length=500, description="Full key. Use `q` to search for a part of it.")


@router.get("", summary="List jobs", errors=(UnknownSort, InvalidCursor))
async def list_jobs(query: Annotated[JobQuery, query(JobQuery)], session: ReadSessionDep) -> Page[JobRead]:
    """Return jobs, newest first unless `sort` is given."""
    where = JobRepository.matching(task=query.task, status=query.status, queue=query.queue, key=query.key)
    return Page.of(await JobService(session).list(query.paging, *where), JobRead.model_validate)


@router.get("/schedules", summary="List schedules")
async def list_schedules(session: ReadSessionDep) -> ScheduleList:
    """Sorted by the next run. A schedule is listed after the first start of a worker whose release contains it."""
    declared = tasks()
    rows = await JobService(session).schedules()
    return ScheduleList(items=[ScheduleRead.of(row, declared.get(row.task)) for row in rows])


@router.post(
    "/schedules/{task}/run",
    audit=Audit("schedule.run", none_when="an earlier run is unfinished"),
    step_up=Exempt("The task does what it does on its schedule."),
    response_model=JobDetail,
    summary="Run a schedule now",
    errors=(ScheduleNotFound,),
)
async def run_schedule(task: TaskName, session: SessionDep) -> Job:
    """Run a scheduled task once, as if it were due. While an earlier run is unfinished, return its job instead."""
    return await JobService(session).run_schedule(task)


@router.get("/tasks", summary="List tasks")
async def list_tasks() -> TaskList:
    """Return the tasks of this release, by name."""
    return TaskList(items=[TaskRead.of(each) for _, each in sorted(tasks().items())])


@router.get("/queues", summary="List queue depths")
async def list_queues(session: ReadSessionDep) -> QueueList:
    """Return the number of unfinished jobs per queue and task, and the number of live workers that run each task."""
    health = await JobService(session).health()
    return QueueList(workers=health.workers, items=[BacklogRead.model_validate(each) for each in health.backlog])


@router.get("/{job_id:uuid}", response_model=JobDetail, summary="Get a job", errors=(JobNotFound,))
async def read_job(job_id: UUID, session: ReadSessionDep) -> Job:
    """Return a job with its arguments, its result and the last error."""
    return await JobService(session).read(job_id)


@router.post(
    "/{job_id:uuid}/retry",
    audit="job.retried",
    step_up=Exempt("The job does what it was enqueued to do."),
    response_model=JobDetail,
    summary="Retry a job",
    errors=(JobNotFound, JobNotFinished, JobKeyTaken),
)
async def retry_job(job_id: UUID, session: SessionDep) -> Job:
    """Queue a failed, succeeded or canceled job again with its full number of attempts."""
    return await JobService(session).retry(job_id)


@router.delete(
    "/{job_id:uuid}",
    audit="job.canceled",
    step_up=Exempt("It only stops a job."),
    response_model=JobDetail,
    summary="Cancel a job",
    errors=(JobNotFound, JobFinished),
)
async def cancel_job(job_id: UUID, session: SessionDep) -> Job:
    """Cancel a waiting job immediately. A running job is requested to stop (`cancel_requested`) and is canceled shortly
    afterwards unless it finishes first. A finished job cannot be canceled.
    """
    return await JobService(session).cancel(job_id)
