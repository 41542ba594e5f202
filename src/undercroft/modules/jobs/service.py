"""Services for the administration of jobs."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row

from undercroft.core.audit import Entry, record
from undercroft.core.db import Paging, ReadSession, RowPage, Session
from undercroft.core.overrides import Service, call_super
from undercroft.jobs import control
from undercroft.jobs.health import JobsHealth, read_health
from undercroft.jobs.models import Job
from undercroft.jobs.schedules import run_now
from undercroft.modules.jobs.repository import JobListRepository, JobRepository


class JobService(Service):
    """Jobs and schedules for administrators. Pass a `Session` to change jobs, a `ReadSession` to read."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def list(self, paging: Paging, *where: ColumnElement[bool]) -> RowPage[Job]:
        return await JobListRepository(self._session).list(paging, *where)

    async def read(self, job_id: UUID) -> Job:
        return await JobRepository(self._session).get(job_id)

    async def health(self) -> JobsHealth:
        return await read_health(self._session)

    async def schedules(self) -> Sequence[Row[Any]]:
        return await JobRepository(self._session).list_schedules()

    @call_super
    async def run_schedule(self, name: str) -> Job:
        """Run a scheduled task now. While another run is unfinished, returns its job. Raises `ScheduleNotFound`."""
        session = self._session.writable
        job, is_new = await run_now(session, name)
        if is_new:
            await record(session, Entry("schedule.run", None, "job", job.id, details={"task": job.task}))
        return job

    @call_super
    async def retry(self, job_id: UUID) -> Job:
        """Queue a finished job again. Raises `JobNotFound`, `JobNotFinished`, `JobKeyTaken`."""
        return await self._change("job.retried", control.retry, job_id)

    @call_super
    async def cancel(self, job_id: UUID) -> Job:
        """Cancel an unfinished job. Raises `JobNotFound`, `JobFinished`."""
        return await self._change("job.canceled", control.cancel, job_id)

    async def _change(self, action: str, change: Callable[[Session, UUID], Awaitable[Job]], job_id: UUID) -> Job:
        session = self._session.writable
        before = {"status": await JobRepository(session).lock_status(job_id), "cancel_requested": False}
        job = await change(session, job_id)
        after, details = {"status": job.status, "cancel_requested": job.cancel_requested}, {"task": job.task}
        await record(session, Entry(action, None, "job", job.id, before=before, after=after, details=details))
        return job
