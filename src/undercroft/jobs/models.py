"""Tables of jobs, schedules and workers. They are the history, independent of the queue engine."""

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
    """The status of a job. A job that waits for another attempt is queued."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


UNFINISHED = (JobStatus.QUEUED, JobStatus.RUNNING)
UNFINISHED_SQL = "status IN ('queued', 'running')"

TimestampTZ = DateTime(timezone=True)


class JobBase(SQLModel):
    """The fields of a job in the admin API."""

    task: str = Field(
        sa_type=Text,
        description="Name of the task, prefixed with its module.",
        schema_extra={"examples": ["projects.export"]},
    )
    queue: str = Field(
        sa_type=Text, description="Queue that workers subscribe to.", schema_extra={"examples": ["default"]}
    )
    status: str = Field(default=JobStatus.QUEUED, sa_type=Text, description="Status of the job.")
    priority: int = Field(default=0, description="Priority; jobs with a higher value run first.")
    attempts: int = Field(default=0, description="Number of attempts started so far.")
    max_attempts: int = Field(default=1, description="Number of attempts before the job fails.")
    lost: int = Field(default=0, description="Number of attempts that ended because the worker died.")
    key: str | None = Field(
        default=None,
        sa_type=Text,
        description="Deduplication key: at most one unfinished job of a task per key.",
        schema_extra={"examples": ["nightly"]},
    )
    request_id: str | None = Field(
        default=None,
        sa_type=Text,
        description="ID of the request that enqueued the job.",
        schema_extra={"examples": ["0198f3c2-7a41-7c3e-9d55-0b6f1f2f7a10"]},
    )
    worker_id: UUID | None = Field(default=None, description="ID of the worker that ran the last attempt.")
    progress: float | None = Field(
        default=None, sa_type=Float, description="Progress reported by the task, from 0 to 1."
    )
    progress_message: str | None = Field(
        default=None,
        sa_type=Text,
        description="Progress reported by the task, in words.",
        schema_extra={"examples": ["3 of 7 files"]},
    )
    cancel_requested: bool = Field(
        default=False, description="Whether cancellation was requested and the job has not ended yet."
    )
    unresponsive_since: datetime | None = Field(
        default=None,
        sa_type=TimestampTZ,
        description="Time since which the running task has ignored a timeout or cancellation; see `error`.",
    )
    scheduled_at: datetime = Field(
        default_factory=utc_now, sa_type=TimestampTZ, description="Time at which the next attempt is due."
    )
    started_at: datetime | None = Field(
        default=None, sa_type=TimestampTZ, description="Time at which the last attempt started."
    )
    finished_at: datetime | None = Field(
        default=None, sa_type=TimestampTZ, description="Time of the end; null before it."
    )


class Job(Identified, JobBase, Timestamped, table=True):
    __tablename__ = "jobs"
    __privacy__ = Privacy(
        "the user or team in the job's arguments",
        "JOBS_RETENTION_DAYS after it ended",
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
        CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'canceled')", name="status"),
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

    args: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB, description="Arguments of the task.")
    result: Any = Field(default=None, sa_type=JSONB, nullable=True, description="Return value of the task.")
    error: str | None = Field(default=None, sa_type=Text, description="Traceback of the last failed attempt.")
    message_id: int | None = Field(
        default=None, sa_type=BigInteger, description="ID of the job's message in the engine."
    )


class Schedule(SQLModel, table=True):
    """The schedule of a task and its next run; one row per task."""

    __tablename__ = "job_schedules"
    __privacy__ = Privacy(
        "the platform", "seven days after the task was last registered", non_personal=("task", "cron", "timezone")
    )

    task: str = Field(sa_type=Text, primary_key=True)
    cron: str = Field(sa_type=Text, description="Crontab fields: minute, hour, day of month, month, day of week.")
    timezone: str = Field(sa_type=Text, description="Time zone of the crontab expression.")
    next_run_at: datetime = Field(sa_type=TimestampTZ)
    last_run_at: datetime | None = Field(default=None, sa_type=TimestampTZ)
    last_job_id: UUID | None = Field(default=None)
    seen_at: datetime = Field(sa_type=TimestampTZ, description="Time at which a scheduler last registered this task.")


class WorkerRow(SQLModel, table=True):
    """A live or recently stopped worker process."""

    __tablename__ = "job_workers"
    __privacy__ = Privacy("the platform", "a day after it was last seen", non_personal=("host", "queues", "tasks"))

    id: UUID = Field(primary_key=True)
    host: str = Field(sa_type=Text)
    pid: int
    queues: str = Field(sa_type=Text, description="Queues that it processes; empty for all.")
    concurrency: int
    tasks: list[str] | None = Field(
        default=None,
        sa_type=cast(Any, ARRAY(Text)),
        description="Tasks that it runs; null if its release does not report them.",
    )
    started_at: datetime = Field(sa_type=TimestampTZ)
    seen_at: datetime = Field(sa_type=TimestampTZ, description="Time of the last heartbeat of its event loop.")


class BackfillStatus(StrEnum):
    """The status of a backfill. While no process runs it, a queued one waits for a worker."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    CANCELED = "canceled"
    COMPLETED = "completed"


class BackfillBase(SQLModel):
    """The fields of a backfill in the admin API."""

    name: str = Field(
        sa_type=Text,
        description="Name of the backfill, prefixed with its module.",
        schema_extra={"examples": ["example.fill_durations"]},
    )
    done: int = Field(default=0, sa_type=BigInteger, description="Number of rows processed so far.")
    total: int | None = Field(
        default=None, sa_type=BigInteger, description="Number of rows to process, counted at the start; null before it."
    )
    rate: float | None = Field(
        default=None, sa_type=Float, description="Rows per second, averaged over recent batches."
    )
    attempts: int = Field(default=0, description="Number of failed attempts since the last successful batch.")
    error: str | None = Field(
        default=None,
        sa_type=Text,
        description="Error of the last attempt; null after a successful batch.",
        schema_extra={"examples": [None]},
    )
    throttled: str | None = Field(
        default=None,
        sa_type=Text,
        description="Reason why it waits, while the database is busy.",
        schema_extra={"examples": [None]},
    )
    started_at: datetime | None = Field(default=None, sa_type=TimestampTZ, description="Time of the first batch.")
    finished_at: datetime | None = Field(
        default=None, sa_type=TimestampTZ, description="Time at which it completed; null before it."
    )


class BackfillRow(BackfillBase, Timestamped, table=True):
    """The state of a backfill. Each batch changes it in the transaction that changes the rows."""

    __tablename__ = "backfills"
    __privacy__ = Privacy(
        "the platform", "unlimited", non_personal=("name", "status", "last_key", "error", "throttled")
    )
    __table_args__ = (
        CheckConstraint("status IN ('queued', 'paused', 'failed', 'canceled', 'completed')", name="status"),
    )

    name: str = Field(sa_type=Text, primary_key=True)
    status: str = Field(default=BackfillStatus.QUEUED, sa_type=Text)
    last_key: str | None = Field(default=None, sa_type=Text, description="Key of the last processed row.")
    runner: UUID | None = Field(default=None, description="The process that runs it.")
    runner_until: datetime | None = Field(
        default=None, sa_type=TimestampTZ, description="Time at which another process may take over."
    )

    @property
    def state(self) -> BackfillStatus:
        """The status, `RUNNING` while a process runs it."""
        is_running = self.runner_until is not None and self.runner_until > utc_now()
        status = BackfillStatus(self.status)
        return BackfillStatus.RUNNING if status is BackfillStatus.QUEUED and is_running else status

    @property
    def fraction(self) -> float | None:
        """The processed part of the rows, from 0 to 1; None before they are counted."""
        if self.status == BackfillStatus.COMPLETED:
            return 1.0
        return None if self.total is None else min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def remaining(self) -> float | None:
        """The estimated remaining time in seconds; None if it is unknown."""
        if self.total is None or not self.rate or self.status == BackfillStatus.COMPLETED:
            return None
        return max(0, self.total - self.done) / self.rate
