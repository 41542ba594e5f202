"""Scheduled tasks. Any number of schedulers may run concurrently: each due task is enqueued in its own transaction."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from undercroft.core.db import Database, Session
from undercroft.jobs.enqueueing import enqueue
from undercroft.jobs.errors import ScheduleNotFound
from undercroft.jobs.models import Job
from undercroft.jobs.registry import Task, tasks

log = structlog.get_logger("undercroft.application")

MAX_SLEEP = 15.0
REGISTER_INTERVAL = timedelta(hours=1)
RETRY_DELAY = timedelta(minutes=1)
JOB_KEY = "schedule"

REGISTER = """
INSERT INTO job_schedules AS s (task, cron, timezone, next_run_at, seen_at)
SELECT task, cron, timezone, next_run_at, now()
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS n(task, cron, timezone, next_run_at)
ORDER BY task
ON CONFLICT (task) DO UPDATE SET
    cron = EXCLUDED.cron, timezone = EXCLUDED.timezone, seen_at = now(),
    next_run_at = CASE
        WHEN s.cron = EXCLUDED.cron AND s.timezone = EXCLUDED.timezone THEN s.next_run_at
        ELSE EXCLUDED.next_run_at
    END
"""

DUE = "SELECT task FROM job_schedules WHERE task = ANY($1::text[]) AND next_run_at <= now() ORDER BY next_run_at"

LOCK_DUE = "SELECT now() FROM job_schedules WHERE task = $1 AND next_run_at <= now() FOR UPDATE SKIP LOCKED"

RECORD_RUN = """
UPDATE job_schedules SET next_run_at = $2, last_run_at = now(), last_job_id = $3, seen_at = now() WHERE task = $1
"""

LOCK = "SELECT true FROM job_schedules WHERE task = $1 FOR UPDATE"

UNFINISHED_JOB = "SELECT id FROM jobs WHERE task = $1 AND key = $2 AND status IN ('queued', 'running')"

RECORD_RUN_NOW = "UPDATE job_schedules SET last_run_at = now(), last_job_id = $2 WHERE task = $1"

POSTPONE = "UPDATE job_schedules SET next_run_at = now() + $2::interval WHERE task = $1 AND next_run_at <= now()"

NEXT_RUN = "SELECT extract(epoch FROM min(next_run_at) - now())::float FROM job_schedules WHERE task = ANY($1::text[])"


async def run_now(session: Session, name: str) -> tuple[Job, bool]:
    """Enqueue a scheduled task as if it were due, which does not change its next run; returns whether the job is new.

    While the job of another run is unfinished, returns that one. Raises `ScheduleNotFound`.
    """
    task, connection = tasks().get(name), await session.raw()
    if task is None or task.cron is None or not await connection.fetchval(LOCK, name):
        raise ScheduleNotFound
    unfinished = await connection.fetchval(UNFINISHED_JOB, name, JOB_KEY)
    job = await enqueue(session, task, key=JOB_KEY)
    if job.id == unfinished:
        return job, False
    await connection.execute(RECORD_RUN_NOW, name, job.id)
    return job, True


class Scheduler:
    """Enqueues due tasks. All times are the database's, so the clocks of machines need not be synchronized."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._scheduled = {name: each for name, each in tasks().items() if each.cron is not None}
        self._registered_at: datetime | None = None

    async def run_once(self) -> None:
        """Enqueue due tasks, then sleep until the next one is due."""
        if self._registered_at is None or datetime.now(UTC) - self._registered_at > REGISTER_INTERVAL:
            await self.register()
        await self.tick()
        await asyncio.sleep(await self._seconds_until_next())

    async def register(self) -> None:
        """Store the schedules of this release. An unchanged schedule keeps its next run."""
        async with self._database.session() as session:
            connection = await session.raw()
            now = await connection.fetchval("SELECT now()")
            known = [(name, each.cron) for name, each in self._scheduled.items() if each.cron]
            await connection.execute(
                REGISTER,
                [name for name, _ in known],
                [when.expression for _, when in known],
                [when.timezone for _, when in known],
                [when.next_after(now) for _, when in known],
            )
        self._registered_at = datetime.now(UTC)

    async def tick(self) -> int:
        """Enqueue every due task once, even if it missed several runs; returns the number of tasks."""
        async with self._database.session() as session:
            due = await (await session.raw()).fetch(DUE, list(self._scheduled))
        return sum([await self._run(self._scheduled[row["task"]]) for row in due])

    async def _run(self, task: Task[..., Any]) -> bool:
        """Enqueue this task if it is still due. An error is logged and retried later; other tasks are not affected."""
        try:
            async with self._database.session() as session:
                return await self._enqueue_due(session, task)
        except Exception as error:
            log.error("schedule.failed", task=task.name, retry_in=RETRY_DELAY.total_seconds(), exc_info=error)
        async with self._database.session() as session:
            await (await session.raw()).execute(POSTPONE, task.name, RETRY_DELAY)
        return False

    async def _enqueue_due(self, session: Session, task: Task[..., Any]) -> bool:
        now = await (await session.raw()).fetchval(LOCK_DUE, task.name)
        if now is None:
            return False
        assert task.cron is not None
        job = await enqueue(session, task, key=JOB_KEY)
        await (await session.raw()).execute(RECORD_RUN, task.name, task.cron.next_after(now), job.id)
        return True

    async def _seconds_until_next(self) -> float:
        async with self._database.session() as session:
            seconds = await (await session.raw()).fetchval(NEXT_RUN, list(self._scheduled))
        return MAX_SLEEP if seconds is None else min(MAX_SLEEP, max(0.01, seconds))
