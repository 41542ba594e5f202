"""Retrying and canceling jobs."""

from typing import cast
from uuid import UUID

import asyncpg
from sqlmodel import col, select

from undercroft.core.db import Session
from undercroft.jobs.engines import get_engine
from undercroft.jobs.errors import JobFinished, JobKeyTaken, JobNotFinished, JobNotFound
from undercroft.jobs.models import Job

RETRY = """
UPDATE jobs SET
    status = 'queued', attempts = 0, lost = 0, scheduled_at = now(), started_at = NULL, finished_at = NULL,
    result = NULL, error = NULL, progress = NULL, progress_message = NULL, worker_id = NULL, cancel_requested = false,
    unresponsive_since = NULL, updated_at = now()
WHERE id = $1 AND status IN ('succeeded', 'failed', 'canceled')
"""

KEY_TAKEN = """
SELECT EXISTS (
    SELECT FROM jobs j JOIN jobs other ON other.task = j.task AND other.key = j.key AND other.id <> j.id
    WHERE j.id = $1 AND other.status IN ('queued', 'running')
)
"""

CANCEL = """
UPDATE jobs SET
    status = CASE WHEN status = 'queued' THEN 'canceled' ELSE status END,
    finished_at = CASE WHEN status = 'queued' THEN now() END,
    cancel_requested = status = 'running',
    updated_at = now()
WHERE id = $1 AND status IN ('queued', 'running')
RETURNING status, message_id
"""


async def retry(session: Session, job_id: UUID) -> Job:
    """Queue a finished job again, with its full number of attempts.

    Raises `JobNotFound`, `JobNotFinished`, and `JobKeyTaken` if an unfinished job of the task has the same key.
    """
    connection = await session.raw()
    if await connection.fetchval(KEY_TAKEN, job_id):
        raise JobKeyTaken
    try:
        done = await connection.execute(RETRY, job_id)
    except asyncpg.UniqueViolationError:
        raise JobKeyTaken from None
    if done == "UPDATE 0":
        await _get_job(session, job_id)
        raise JobNotFinished
    await get_engine().send(connection, [job_id])
    return await _get_job(session, job_id)


async def cancel(session: Session, job_id: UUID) -> Job:
    """Cancel a job. A queued job ends at once. A running job is requested to stop; it ends as `canceled` soon after,
    unless it finishes first. Raises `JobNotFound` and `JobFinished`.
    """
    connection = await session.raw()
    row = await connection.fetchrow(CANCEL, job_id)
    if row is None:
        await _get_job(session, job_id)
        raise JobFinished
    if row["status"] == "running":
        await get_engine().notify_cancel(connection, row["message_id"])
    return await _get_job(session, job_id)


async def _get_job(session: Session, job_id: UUID) -> Job:
    job = cast("Job | None", (await session.scalars(select(Job).where(col(Job.id) == job_id))).first())
    if job is None:
        raise JobNotFound
    return job
