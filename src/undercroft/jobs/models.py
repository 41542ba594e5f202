"""The platform's own tables of jobs: the history that people look at, whatever engine carries the jobs."""

from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Float, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from undercroft.core.db.models import Identified, Timestamped, utc_now
from undercroft.core.db.privacy import ColumnContent, Erasure, Privacy


class JobStatus(StrEnum):
    """Where a job stands. A job that waits for another attempt is queued again."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "cancelled"


UNFINISHED = (JobStatus.QUEUED, JobStatus.RUNNING)
FINISHED = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED)
UNFINISHED_SQL = "status IN ('queued', 'running')"

TimestampTZ = DateTime(timezone=True)


class JobBase(SQLModel):
    """The fields of a job that an administrator sees."""

    task: str = Field(sa_type=Text, description="The task's name, prefixed by its module.")
    queue: str = Field(sa_type=Text, description="The queue that workers subscribe to.")
    status: str = Field(default=JobStatus.QUEUED, sa_type=Text, description="Where it stands.")
    priority: int = Field(default=0, description="Higher goes first.")
    attempts: int = Field(default=0, description="How often it was started.")
    max_attempts: int = Field(default=1, description="How often it is tried before it counts as failed.")
    lost: int = Field(default=0, description="How many of the attempts ended because the worker died.")
    key: str | None = Field(default=None, sa_type=Text, description="One unfinished job of a task per key.")
    request_id: str | None = Field(default=None, sa_type=Text, description="The request that enqueued it.")
    worker_id: UUID | None = Field(default=None, description="The worker that ran it last.")
    progress: float | None = Field(default=None, sa_type=Float, description="From 0 to 1, as the task tells it.")
    progress_message: str | None = Field(default=None, sa_type=Text)
    cancel_requested: bool = Field(default=False, description="It was asked to stop and has not ended yet.")
    unresponsive_since: datetime | None = Field(
        default=None,
        sa_type=TimestampTZ,
        description="Since when it ignores a timeout or cancellation. It still runs; `error` says why.",
    )
    scheduled_at: datetime = Field(
        default_factory=utc_now, sa_type=TimestampTZ, description="When the next attempt is due."
    )
    started_at: datetime | None = Field(default=None, sa_type=TimestampTZ, description="When the last attempt began.")
    finished_at: datetime | None = Field(default=None, sa_type=TimestampTZ)


class Job(Identified, JobBase, Timestamped, table=True):
    __tablename__ = "jobs"
    __privacy__ = Privacy(
        "whom the job is about",
        "JOBS_KEEP_DAYS after it ended",
        personal=("args", "result", "error", "progress_message", "key"),
        non_personal=("task", "queue", "status", "request_id"),
        erasures=(
            Erasure(
                "args",
                ColumnContent.JSON,
                values={"args": {}, "result": None, "error": None, "progress_message": None, "key": None},
                condition="finished_at IS NOT NULL",
            ),
        ),
    )
    __table_args__ = (
        CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="status"),
        Index(
            "uq_jobs_unfinished_key",
            "task",
            "key",
            unique=True,
            postgresql_where=text(f"key IS NOT NULL AND {UNFINISHED_SQL}"),
        ),
        Index("ix_jobs_unfinished", "status", "scheduled_at", postgresql_where=text(UNFINISHED_SQL)),
        Index("ix_jobs_created", "created_at", "id"),
        Index("ix_jobs_task_created", "task", "created_at", "id"),
        Index("ix_jobs_status_created", "status", "created_at", "id"),
        Index("ix_jobs_finished_at", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    )

    args: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB, description="What the task is called with.")
    result: Any = Field(default=None, sa_type=JSONB, nullable=True, description="What the task returned.")
    error: str | None = Field(default=None, sa_type=Text, description="The traceback of the last failed attempt.")
    message_id: int | None = Field(default=None, sa_type=BigInteger, description="The engine's message for it.")


class Schedule(SQLModel, table=True):
    """When a task that runs by the clock is due next; one row per task."""

    __tablename__ = "job_schedules"
    __privacy__ = Privacy(
        "the platform", "seven days after the task was last known", non_personal=("task", "cron", "timezone")
    )

    task: str = Field(sa_type=Text, primary_key=True)
    cron: str = Field(sa_type=Text, description="Minute, hour, day of month, month, day of week.")
    timezone: str = Field(sa_type=Text, description="The time zone in which the expression is read.")
    next_run_at: datetime = Field(sa_type=TimestampTZ)
    last_run_at: datetime | None = Field(default=None, sa_type=TimestampTZ)
    last_job_id: UUID | None = Field(default=None)
    seen_at: datetime = Field(sa_type=TimestampTZ, description="When a scheduler last knew this task.")


class WorkerRow(SQLModel, table=True):
    """A worker process that is alive, or was."""

    __tablename__ = "job_workers"
    __privacy__ = Privacy("the platform", "a day after it was last seen", non_personal=("host", "queues", "tasks"))

    id: UUID = Field(primary_key=True)
    host: str = Field(sa_type=Text)
    pid: int
    queues: str = Field(sa_type=Text, description="The queues it serves; empty for all.")
    concurrency: int
    tasks: list[str] | None = Field(
        default=None,
        sa_type=cast(Any, ARRAY(Text)),
        description="The tasks it runs; null when its release does not report them.",
    )
    started_at: datetime = Field(sa_type=TimestampTZ)
    seen_at: datetime = Field(sa_type=TimestampTZ, description="When its event loop last reported that it takes jobs.")
