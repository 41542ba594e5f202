"""Statements with which a worker updates rows of `jobs`, in batches, and only rows that it still owns."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
from msgspec import Struct

from undercroft.jobs.engines import QueueMessage
from undercroft.jobs.models import JobStatus

MIN_STARTS = 3
"""A job fails because its worker died only after at least this many starts, even if it has fewer retries."""

MAX_SHARED_LOSSES = 2
"""After this many losses, a job runs alone, so that other jobs are not held responsible for a worker that it kills."""

MARK_CLAIMED = f"""
WITH claimed AS (
    SELECT j.id,
        j.lost + (j.status = 'running')::int AS lost,
        j.status = 'running' AND j.attempts >= greatest(j.max_attempts, {MIN_STARTS}) AS exhausted
    FROM jobs j
    JOIN unnest($1::uuid[], $2::bigint[]) AS m(id, message_id) ON j.id = m.id AND j.message_id = m.message_id
    WHERE j.status IN ('queued', 'running') AND NOT j.cancel_requested
    FOR UPDATE OF j
)
UPDATE jobs j SET
    lost = c.lost,
    status = CASE WHEN c.exhausted OR c.lost < {MAX_SHARED_LOSSES} THEN 'running' ELSE 'queued' END,
    attempts = j.attempts + CASE WHEN c.exhausted OR c.lost >= {MAX_SHARED_LOSSES} THEN 0 ELSE 1 END,
    started_at = now(), updated_at = now(), worker_id = $3, progress = NULL, progress_message = NULL,
    unresponsive_since = NULL
FROM claimed c WHERE j.id = c.id
RETURNING j.id, j.message_id, j.task, j.queue, j.args::text, j.attempts, j.max_attempts, j.key, j.request_id, j.lost,
    c.exhausted, NOT c.exhausted AND c.lost >= {MAX_SHARED_LOSSES} AS alone
"""  # noqa: S608 - only constants

MARK_STARTED_ALONE = """
UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = now(), updated_at = now()
WHERE id = $1 AND message_id = $2 AND worker_id = $3 AND status = 'queued' AND NOT cancel_requested
RETURNING attempts
"""

MARK_CANCELED = """
UPDATE jobs SET status = 'cancelled', cancel_requested = false, finished_at = now(), updated_at = now()
FROM unnest($1::uuid[], $2::bigint[]) AS m(job_id, message)
WHERE id = m.job_id AND message_id = m.message AND status IN ('queued', 'running') AND cancel_requested
"""

END_STATUS_SQL = "CASE WHEN e.status = 'queued' AND j.cancel_requested THEN 'cancelled' ELSE e.status END"

MARK_ENDED = f"""
UPDATE jobs j SET
    status = {END_STATUS_SQL},
    result = e.result,
    error = CASE WHEN e.status = 'succeeded' THEN NULL ELSE coalesce(e.error, j.error) END,
    attempts = j.attempts - CASE WHEN e.handed_back THEN 1 ELSE 0 END,
    progress = coalesce(e.progress, j.progress),
    progress_message = coalesce(e.message, j.progress_message),
    scheduled_at = CASE WHEN e.status = 'queued' THEN now() + e.delay ELSE j.scheduled_at END,
    finished_at = CASE WHEN {END_STATUS_SQL} = 'queued' THEN NULL ELSE now() END,
    cancel_requested = false,
    unresponsive_since = NULL,
    updated_at = now()
FROM unnest(
    $2::uuid[], $3::bigint[], $4::int[],
    $5::text[], $6::jsonb[], $7::text[], $8::interval[], $9::bool[], $10::float[], $11::text[]
) AS e(id, message_id, attempt, status, result, error, delay, handed_back, progress, message)
WHERE j.id = e.id AND j.worker_id = $1 AND j.status = 'running' AND j.message_id = e.message_id
    AND j.attempts = e.attempt
RETURNING j.id, j.status
"""  # noqa: S608 - only constants

MARK_PROGRESS = """
UPDATE jobs j SET progress = p.fraction, progress_message = p.message, updated_at = now()
FROM unnest($2::uuid[], $3::float[], $4::text[]) AS p(id, fraction, message)
WHERE j.id = p.id AND j.worker_id = $1 AND j.status = 'running'
"""

MARK_UNRESPONSIVE = """
UPDATE jobs j SET unresponsive_since = now(), error = u.reason, updated_at = now()
FROM unnest($2::uuid[], $3::int[], $4::text[]) AS u(id, attempt, reason)
WHERE j.id = u.id AND j.worker_id = $1 AND j.status = 'running' AND j.attempts = u.attempt
"""

FIND_INTERRUPTED = """
SELECT r.id, j.id IS NOT NULL AS is_ours
FROM unnest($2::uuid[], $3::bigint[], $4::int[]) AS r(id, message_id, attempt)
LEFT JOIN jobs j ON j.id = r.id AND j.worker_id = $1 AND j.status = 'running' AND j.message_id = r.message_id
    AND j.attempts = r.attempt
WHERE j.id IS NULL OR j.cancel_requested
"""


class ClaimedJob(Struct, frozen=True):
    """A job claimed by this worker. `exhausted`: its worker died too often. `alone`: run only one such job at once."""

    id: UUID
    task: str
    queue: str
    args: dict[str, Any]
    attempt: int
    max_attempts: int
    key: str | None
    request_id: str | None
    lost: int
    exhausted: bool
    alone: bool
    message: QueueMessage


class JobOutcome(Struct, frozen=True):
    """The result of an attempt. With QUEUED, the job runs again after `delay` seconds; with `handed_back`, this attempt
    does not count.
    """

    status: JobStatus
    result: str | None = None
    error: str | None = None
    delay: float = 0
    handed_back: bool = False
    progress: float | None = None
    message: str | None = None


async def mark_claimed(
    connection: asyncpg.Connection, messages: Sequence[QueueMessage], worker_id: UUID
) -> tuple[list[ClaimedJob], list[QueueMessage]]:
    """Mark the jobs of these messages as running on this worker.

    Returns the claims, and the messages of jobs that must not run: ended, canceled, or with a newer message.
    """
    ids = [message.job_id for message in messages], [message.id for message in messages]
    rows = {row["message_id"]: row for row in await connection.fetch(MARK_CLAIMED, *ids, worker_id)}
    claims = [_build_claim(rows[message.id], message) for message in messages if message.id in rows]
    refused = [message for message in messages if message.id not in rows]
    if refused:
        await connection.execute(MARK_CANCELED, *ids)
    return claims, refused


async def mark_started_alone(connection: asyncpg.Connection, claim: ClaimedJob, worker_id: UUID) -> int | None:
    """Mark a deferred job as running. Returns the number of the attempt, or None if the job must not run any more."""
    return cast("int | None", await connection.fetchval(MARK_STARTED_ALONE, claim.id, claim.message.id, worker_id))


async def mark_ended(
    connection: asyncpg.Connection, ended: Collection[tuple[ClaimedJob, JobOutcome]], worker_id: UUID
) -> dict[UUID, str]:
    """Write the outcomes of attempts. Returns the new statuses of the jobs that this worker still owned.

    An attempt that lost its claim changes nothing, even if the same worker has claimed the job again.
    """
    outcomes = [outcome for _, outcome in ended]
    rows = await connection.fetch(
        MARK_ENDED,
        worker_id,
        *_attempt_keys([claim for claim, _ in ended]),
        [each.status.value for each in outcomes],
        [each.result for each in outcomes],
        [each.error for each in outcomes],
        [timedelta(seconds=each.delay) for each in outcomes],
        [each.handed_back for each in outcomes],
        [each.progress for each in outcomes],
        [each.message for each in outcomes],
    )
    return {row["id"]: row["status"] for row in rows}


async def mark_progress(
    connection: asyncpg.Connection, progress: Iterable[tuple[UUID, float | None, str | None]], worker_id: UUID
) -> None:
    """Write the progress of jobs."""
    ids, fractions, messages = zip(*progress, strict=True)
    await connection.execute(MARK_PROGRESS, worker_id, list(ids), list(fractions), list(messages))


async def mark_unresponsive(
    connection: asyncpg.Connection, unresponsive: Collection[tuple[ClaimedJob, str]], worker_id: UUID
) -> None:
    """Mark attempts that did not stop as unresponsive, with the reason."""
    ids, _, attempts = _attempt_keys([claim for claim, _ in unresponsive])
    await connection.execute(MARK_UNRESPONSIVE, worker_id, ids, attempts, [reason for _, reason in unresponsive])


async def find_interrupted(
    connection: asyncpg.Connection, running: Sequence[ClaimedJob], worker_id: UUID
) -> dict[UUID, bool]:
    """Return the attempts that must stop: True if cancellation was requested, False if the claim was lost."""
    rows = await connection.fetch(FIND_INTERRUPTED, worker_id, *_attempt_keys(running))
    return {row["id"]: row["is_ours"] for row in rows}


def _attempt_keys(claims: Sequence[ClaimedJob]) -> tuple[list[UUID], list[int], list[int]]:
    """Return the columns that identify each attempt: job ID, message ID and attempt number."""
    return [each.id for each in claims], [each.message.id for each in claims], [each.attempt for each in claims]


def _build_claim(row: asyncpg.Record, message: QueueMessage) -> ClaimedJob:
    return ClaimedJob(
        row["id"],
        row["task"],
        row["queue"],
        json.loads(row["args"]),
        row["attempts"],
        row["max_attempts"],
        row["key"],
        row["request_id"],
        row["lost"],
        row["exhausted"],
        row["alone"],
        message,
    )
