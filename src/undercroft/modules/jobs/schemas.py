"""Response schemas of jobs and schedules."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field
from sqlalchemy import Row

from undercroft.core.validation import Schema
from undercroft.jobs import Task
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
    error: str | None = Field(description="Traceback of the last failed attempt.", examples=[None])


class TaskRead(Schema):
    name: str = Field(description="Name of the task.", examples=["projects.export"])
    description: str = Field(description="What the task does; empty if the code does not say it.")
    queue: str = Field(description="Name of the queue.", examples=["default"])
    max_attempts: int = Field(description="Number of attempts before a job fails.")
    timeout: float = Field(description="Maximum duration of an attempt in seconds.")

    @classmethod
    def of(cls, task: Task[..., Any]) -> Self:
        return cls(
            name=task.name,
            description=task.description,
            queue=task.queue,
            max_attempts=task.max_attempts,
            timeout=task.timeout,
        )


class TaskList(Schema):
    items: list[TaskRead] = Field(description="Tasks by name.")


class ScheduleRead(Schema):
    model_config = ConfigDict(from_attributes=True)

    task: str = Field(description="Name of the task.", examples=["projects.export"])
    description: str = Field(description="What the task does; empty if this release does not say it.")
    is_declared: bool = Field(description="Whether this release has the schedule. Otherwise it does not run.")
    cron: str = Field(
        description="Cron expression: minute, hour, day of month, month, day of week.", examples=["0 2 * * *"]
    )
    timezone: str = Field(description="Time zone of the cron expression.", examples=["Europe/Berlin"])
    next_run_at: datetime = Field(description="Time of the next run.")
    last_run_at: datetime | None = Field(description="Time of the last run; null before the first.")
    last_job_id: UUID | None
    last_status: JobStatus | None = Field(description="Status of the last run's job, until the job is deleted.")
    last_result: Any = Field(None, description="Return value of the last run's job.")

    @classmethod
    def of(cls, row: Row[Any], task: Task[..., Any] | None) -> Self:
        """`task` is the one of this release with the name."""
        stored = {name: getattr(row, name) for name in cls.model_fields if name not in ("description", "is_declared")}
        is_declared = task is not None and task.cron is not None
        return cls(**stored, description=task.description if task else "", is_declared=is_declared)


class ScheduleList(Schema):
    items: list[ScheduleRead] = Field(description="The items, in the order of the request.")


class BacklogRead(Schema):
    model_config = ConfigDict(from_attributes=True)

    task: str = Field(description="Name of the task.", examples=["projects.export"])
    queue: str = Field(description="Name of the queue.", examples=["default"])
    workers: int = Field(
        description="Live workers that run this task. If 0, its jobs stay queued: no worker serves its queue, or no "
        "running release contains the task."
    )
    running: int = Field(description="Running jobs.")
    unresponsive: int = Field(description="Running jobs that ignore their timeout or cancellation.")
    due: int = Field(description="Queued jobs that are due.")
    scheduled: int = Field(description="Queued jobs that are scheduled for a later time.")
    waiting: float = Field(description="Waiting time of the oldest due job in seconds.")


class QueueList(Schema):
    workers: int = Field(description="Live workers.")
    items: list[BacklogRead] = Field(description="The items, in the order of the request.")
