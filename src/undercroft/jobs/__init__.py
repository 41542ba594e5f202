"""Background jobs: tasks, transactional enqueueing, workers and schedules.

@task(retries=5)
async def send_welcome(job: CurrentJob, *, user_id: UUID) -> None: ...

await enqueue(session, send_welcome, user_id=user.id)
"""

from undercroft.jobs.backfills.declaration import backfill
from undercroft.jobs.context import CurrentJob, current_job
from undercroft.jobs.enqueueing import enqueue
from undercroft.jobs.errors import InvalidArguments, InvalidTask
from undercroft.jobs.models import Job, JobStatus
from undercroft.jobs.registry import Backoff, Task, cron, task

__all__ = [
    "Backoff",
    "CurrentJob",
    "InvalidArguments",
    "InvalidTask",
    "Job",
    "JobStatus",
    "Task",
    "backfill",
    "cron",
    "current_job",
    "enqueue",
    "task",
]
