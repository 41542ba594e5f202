"""Services for the administration of jobs."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.db import Paging, ReadSession, RowPage, Session
from undercroft.jobs import control
from undercroft.jobs.health import JobsHealth, read_health
from undercroft.jobs.models import Job
from undercroft.modules.jobs.repository import JobListRepository, JobRepository, ScheduleRepository


class JobReadService:
    """Reads jobs and schedules."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def list(self, paging: Paging, *where: ColumnElement[bool]) -> RowPage[Job]:
        return await JobListRepository(self._session).list(paging, *where)

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
        await self._record("job.canceled", job, before)
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
