"""What is shown of jobs and schedules."""

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
    result: Any = Field(None, description="What the task returned, when it succeeded.")
    created_at: datetime
    updated_at: datetime


class JobDetail(JobRead):
    args: dict[str, Any] = Field(description="What the task is called with.")
    error: str | None = Field(description="The traceback of the last attempt that failed.")


class ScheduleRead(Schema):
    model_config = ConfigDict(from_attributes=True)

    task: str
    cron: str = Field(description="Minute, hour, day of month, month, day of week.", examples=["0 2 * * *"])
    timezone: str
    next_run_at: datetime
    last_run_at: datetime | None
    last_job_id: UUID | None
    last_status: JobStatus | None = Field(description="How the job of the last run stands, while it is kept.")
    last_result: Any = None


class ScheduleList(Schema):
    items: list[ScheduleRead]


class BacklogRead(Schema):
    model_config = ConfigDict(from_attributes=True)

    task: str
    queue: str
    workers: int = Field(
        description="Live workers that run this task. With 0 its jobs stay queued: no running release has the task, or "
        "no worker serves its queue."
    )
    running: int = Field(description="Jobs that are running.")
    unresponsive: int = Field(description="Running jobs that ignore their timeout or cancellation.")
    due: int = Field(description="Queued jobs whose time has come.")
    later: int = Field(description="Queued jobs that are scheduled for later.")
    waiting: float = Field(description="Seconds for which the oldest due job has been waiting.")


class QueueList(Schema):
    workers: int = Field(description="Live workers.")
    items: list[BacklogRead]
