"""Services for the administration of jobs."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row
from sqlmodel import col

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.db import ReadSession, Session
from undercroft.core.db.repository import KeysetPage, OffsetPage, Position
from undercroft.jobs import control
from undercroft.jobs.health import JobsHealth, read_health
from undercroft.jobs.models import Job, JobStatus
from undercroft.modules.job_admin.repository import JobListRepository, JobRepository, ScheduleRepository


class JobReadService:
    """Reads jobs and schedules."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def list(
        self, *where: ColumnElement[bool], q: str | None, sort: str | None, page: int, size: int
    ) -> OffsetPage[Job]:
        """Return one page of matching jobs, newest first by default."""
        return await JobListRepository(self._session).list(*where, q=q, sort=sort, page=page, size=size)

    async def list_after(
        self, *where: ColumnElement[bool], q: str | None, after: Position | None, limit: int
    ) -> KeysetPage[Job]:
        """Return the next matching jobs, newest first, without a total count."""
        return await JobListRepository(self._session).list_after(*where, q=q, after=after, limit=limit)

    async def read(self, job_id: UUID) -> Job:
        return await JobRepository(self._session).get(job_id)

    async def health(self) -> JobsHealth:
        return await read_health(self._session)

    async def schedules(self) -> Sequence[Row[Any]]:
        return await ScheduleRepository(self._session).list()


class JobService:
    """Retries and cancels jobs on behalf of an administrator."""

    def __init__(self, session: Session, principal: Principal) -> None:
        self._session = session
        self._principal = principal

    async def retry(self, job_id: UUID) -> Job:
        """Queue a finished job again. Raises `JobNotFound`, `JobNotFinished`, `JobKeyTaken`."""
        before = await JobRepository(self._session).lock_status(job_id)
        job = await control.retry(self._session, job_id)
        await self._record("job.retried", job, before)
        return job

    async def cancel(self, job_id: UUID) -> Job:
        """Cancel an unfinished job. Raises `JobNotFound`, `JobFinished`."""
        before = await JobRepository(self._session).lock_status(job_id)
        job = await control.cancel(self._session, job_id)
        await self._record("job.cancelled", job, before)
        return job

    async def _record(self, action: str, job: Job, before: str) -> None:
        entry = Entry(
            action=action,
            actor_id=self._principal.user_id_or_none,
            target_type="job",
            target_id=job.id,
            before={"status": before, "cancel_requested": False},
            after={"status": job.status, "cancel_requested": job.cancel_requested},
            details={"task": job.task},
        )
        await record(self._session, entry)


def build_filters(
    *, task: str | None, status: JobStatus | None, queue: str | None, key: str | None
) -> Sequence[ColumnElement[bool]]:
    """Return a condition for each filter that is not None."""
    filters = ((Job.task, task), (Job.status, status and status.value), (Job.queue, queue), (Job.key, key))
    return [col(column) == value for column, value in filters if value is not None]
