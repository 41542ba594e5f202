"""Queries of jobs and schedules."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import QueryableAttribute, defer
from sqlmodel import col

from undercroft.core.db import Repository
from undercroft.jobs.errors import JobNotFound
from undercroft.jobs.models import Job, Schedule

DEFERRED_COLUMNS = (Job.error, Job.args)


class JobRepository(Repository[Job]):
    model = Job
    not_found = JobNotFound
    searchable = ("task", "key")
    sortable = ("created_at", "scheduled_at", "finished_at", "priority", "task", "status")

    async def lock_status(self, job_id: UUID) -> str:
        """Lock a job until the transaction ends and return its status. Raises `JobNotFound`."""
        found = await self._session.scalar(select(col(Job.status)).where(col(Job.id) == job_id).with_for_update())
        if found is None:
            raise JobNotFound
        return str(found)

    async def list_schedules(self) -> Sequence[Row[Any]]:
        """Return all schedules with the status and result of their last job, sorted by their next run."""
        last_job: Any = col(Job.status).label("last_status"), col(Job.result).label("last_result")
        query = select(*(getattr(Schedule, name) for name in Schedule.model_fields), *last_job)
        query = query.outerjoin(Job, col(Job.id) == col(Schedule.last_job_id)).order_by(col(Schedule.next_run_at))
        return (await self._session.execute(query)).all()


class JobListRepository(JobRepository):
    """Lists jobs without the columns that may be large and that lists do not show."""

    def _query(self, *, deleted: bool = False) -> Select[Any]:
        return (
            super()
            ._query(deleted=deleted)
            .options(*(defer(cast("QueryableAttribute[Any]", column)) for column in DEFERRED_COLUMNS))
        )
