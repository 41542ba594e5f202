"""Response schemas of jobs and schedules."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from undercroft.core.validation import Schema
from undercroft.jobs.models import JobBase, JobStatus


class JobRead(JobBase):
    model_config = ConfigDict(from_attributes=True)  # type: ignore[assignment]

    id: UUID
    status: JobStatus
    result: Any = Field(None, description="Return value of the task, if the job succeeded.")
    created_at: datetime
    updated_at: datetime


class JobDetail(JobRead):
    args: dict[str, Any] = Field(description="Arguments of the task.")
    error: str | None = Field(description="Traceback of the last failed attempt.")


class ScheduleRead(Schema):
    model_config = ConfigDict(from_attributes=True)

    task: str
    cron: str = Field(
        description="Cron expression: minute, hour, day of month, month, day of week.", examples=["0 2 * * *"]
    )
    timezone: str
    next_run_at: datetime
    last_run_at: datetime | None
    last_job_id: UUID | None
    last_status: JobStatus | None = Field(description="Status of the last run's job, until the job is deleted.")
    last_result: Any = None


class ScheduleList(Schema):
    items: list[ScheduleRead]


class BacklogRead(Schema):
    model_config = ConfigDict(from_attributes=True)

    task: str
    queue: str
    workers: int = Field(
        description="Live workers that run this task. If 0, its jobs stay queued: no worker serves its queue, or no "
        "running release contains the task."
    )
    running: int = Field(description="Running jobs.")
    unresponsive: int = Field(description="Running jobs that ignore their timeout or cancellation.")
    due: int = Field(description="Queued jobs that are due.")
    later: int = Field(description="Queued jobs that are scheduled for a later time.")
    waiting: float = Field(description="Waiting time of the oldest due job in seconds.")


class QueueList(Schema):
    workers: int = Field(description="Live workers.")
    items: list[BacklogRead]
