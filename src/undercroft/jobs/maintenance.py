"""Maintenance: repairs inconsistencies between jobs and messages, and deletes old rows."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import structlog

from undercroft.core.db import Database, Session
from undercroft.core.settings import load
from undercroft.jobs.context import CurrentJob
from undercroft.jobs.engines import get_engine
from undercroft.jobs.registry import cron
from undercroft.jobs.settings import JobsSettings

log = structlog.get_logger("undercroft.application")

SWEEP_BATCH = 1000
DELETE_BATCH = 5000
"""Rows deleted per statement, which stays far below the statement timeout. Each batch is a transaction."""

ENGINE_RECORD_RETENTION = timedelta(days=1)

DELETE_FINISHED = """
DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs WHERE finished_at < now() - $1::interval ORDER BY finished_at LIMIT $2
)
"""

DELETE_STALE = """
WITH workers AS (DELETE FROM job_workers WHERE seen_at < now() - interval '1 day')
DELETE FROM job_schedules WHERE seen_at < now() - interval '7 days'
"""


DELETE_SCHEDULES = "DELETE FROM job_schedules WHERE starts_with(task, $1)"

DELETE_JOBS = "DELETE FROM jobs WHERE starts_with(task, $1)"

LIVE_WORKERS = """
SELECT host || ' (process ' || pid || ')' AS name FROM job_workers
WHERE seen_at > now() - $2::interval AND EXISTS (SELECT FROM unnest(tasks) AS task WHERE starts_with(task, $1))
ORDER BY host, pid
"""


async def sweep(database: Database) -> tuple[int, int]:
    """Write messages for unfinished jobs without one and delete messages without a job; returns both numbers.

    Jobs and messages are written and removed together, so there are none unless the tables were changed manually or an
    engine lost messages.
    """
    async with database.session() as session:
        resent, dropped = await get_engine().sweep(await session.raw(), SWEEP_BATCH)
    if resent or dropped:
        log.warning("jobs.repaired", resent=resent, dropped=dropped)
    return resent, dropped


@cron("17 * * * *", name="jobs.clean_up", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Delete finished jobs after JOBS_RETENTION_DAYS, the engine's records after a day, and rows of old workers.

    Runs hourly in batches, one transaction each, so that an interrupted attempt leaves less work for the next.
    """
    keep = timedelta(days=load(JobsSettings).jobs_retention_days)
    jobs = await _delete_in_batches(lambda: _delete_finished(job.database, keep))
    records = await _delete_in_batches(lambda: _delete_records(job.database))
    async with job.session() as session:
        await (await session.raw()).execute(DELETE_STALE)
    return {"jobs": jobs, "records": records}


async def _delete_in_batches(delete_batch: Callable[[], Awaitable[int]]) -> int:
    """Delete batches until no rows are left; returns the total number."""
    total = 0
    while deleted := await delete_batch():
        total += deleted
    return total


async def _delete_finished(database: Database, keep: timedelta) -> int:
    async with database.session() as session:
        status = await (await session.raw()).execute(DELETE_FINISHED, keep, DELETE_BATCH)
    return int(status.rpartition(" ")[2])


async def _delete_records(database: Database) -> int:
    async with database.session() as session:
        return await get_engine().delete_records(await session.raw(), ENGINE_RECORD_RETENTION, DELETE_BATCH)


async def find_live_workers(connection: asyncpg.Connection, prefix: str) -> list[str]:
    """Return the hosts and processes of the live workers that run a task with this prefix in its name."""
    seconds = timedelta(seconds=load(JobsSettings).jobs_redelivery)
    return [row["name"] for row in await connection.fetch(LIVE_WORKERS, prefix, seconds)]


async def delete_tasks(session: Session, prefix: str) -> int:
    """Delete the schedules and all jobs of the tasks with this prefix in their names; returns the number of jobs."""
    connection = await session.raw()
    await get_engine().delete_tasks(connection, prefix)
    await connection.execute(DELETE_SCHEDULES, prefix)
    return int((await connection.execute(DELETE_JOBS, prefix)).rpartition(" ")[2])
