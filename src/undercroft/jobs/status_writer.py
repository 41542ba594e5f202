"""Writes status changes of running jobs in batches, and only to rows that the worker still owns.

If the worker is killed, unwritten outcomes are lost, and those jobs run again.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog
from msgspec.structs import replace

from undercroft.jobs.engines import Engine
from undercroft.jobs.execution import ClaimedJob, JobAttempt, JobOutcome
from undercroft.jobs.models import JobStatus
from undercroft.jobs.queue_database import QueueDatabase

log = structlog.get_logger("undercroft.application")

BATCH_SIZE = 50
LINGER = 0.02
DATA_ERRORS = (asyncpg.DataError, ValueError)

END_STATUS_SQL = "CASE WHEN e.status = 'queued' AND j.cancel_requested THEN 'canceled' ELSE e.status END"

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


class StatusWriter:
    """Writes the outcomes of a worker's jobs. A worker has one writer, so its statements never block each other."""

    def __init__(self, database: QueueDatabase, engine: Engine, worker_id: UUID) -> None:
        self._database = database
        self._engine = engine
        self._worker_id = worker_id
        self.pending: dict[UUID, tuple[ClaimedJob, JobOutcome]] = {}
        """The outcomes that are not written yet, by job."""
        self._full = asyncio.Event()
        self._any = asyncio.Event()
        self._writing = asyncio.Lock()

    def add(self, claim: ClaimedJob, outcome: JobOutcome) -> None:
        """Add an outcome to the next batch."""
        self.pending[claim.id] = (claim, outcome)
        self._any.set()
        if len(self.pending) >= BATCH_SIZE:
            self._full.set()

    async def run_once(self) -> None:
        """Write one batch: 50 outcomes, or those that arrive within 20 ms after the first."""
        await self._any.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await self._full.wait()
        await self.flush()

    async def flush(self) -> None:
        """Write all outcomes now. After a database error, they stay in the next batch, and the error is raised."""
        async with self._writing:
            self._any.clear()
            self._full.clear()
            batch = dict(self.pending)
            if not batch:
                return
            try:
                await self._write_batch(batch.values())
            except BaseException:
                self._any.set()
                raise
            for job_id, entry in batch.items():
                if self.pending.get(job_id) is entry:
                    del self.pending[job_id]

    async def write_progress(self, attempts: Iterable[JobAttempt]) -> None:
        """Write progress that has changed, and attempts that have become unresponsive."""
        running = list(attempts)
        changed = [each for each in running if each.progress.changed]
        for each in changed:
            each.progress.changed = False
        progress = [(each.id, each.progress.fraction, each.progress.message) for each in changed]
        unresponsive = [each for each in running if each.unresponsive_reason]
        if not progress and not unresponsive:
            return
        async with self._writing, self._database.autocommit() as connection:
            if progress:
                await connection.execute(MARK_PROGRESS, self._worker_id, *zip(*progress, strict=True))
            if unresponsive:
                ids, _, numbers = attempt_keys([each.claim for each in unresponsive])
                reasons = [each.unresponsive_reason for each in unresponsive]
                await connection.execute(MARK_UNRESPONSIVE, self._worker_id, ids, numbers, reasons)
        for each in unresponsive:
            each.unresponsive_reason = None

    async def write(self, connection: asyncpg.Connection, batch: Collection[tuple[ClaimedJob, JobOutcome]]) -> None:
        """Write these outcomes with this connection, and remove or release the messages.

        An attempt that lost its claim changes nothing, even if the same worker has claimed the job again.
        """
        outcomes = [outcome for _, outcome in batch]
        rows = await connection.fetch(
            MARK_ENDED,
            self._worker_id,
            *attempt_keys([claim for claim, _ in batch]),
            [each.status.value for each in outcomes],
            [each.result for each in outcomes],
            [each.error for each in outcomes],
            [timedelta(seconds=each.delay) for each in outcomes],
            [each.handed_back for each in outcomes],
            [each.progress for each in outcomes],
            [each.message for each in outcomes],
        )
        ours = {row["id"]: row["status"] for row in rows}
        await self._finish_messages(connection, {claim.id: (claim, outcome) for claim, outcome in batch}, ours)
        for claim, _ in batch:
            if claim.id not in ours:
                log.warning("job.result_rejected", job=str(claim.id))

    async def _write_batch(self, batch: Collection[tuple[ClaimedJob, JobOutcome]]) -> None:
        """Write a batch. If PostgreSQL rejects a value, write each outcome alone, without values that it rejects."""
        try:
            await self._write_in_autocommit(batch)
        except DATA_ERRORS:
            for claim, outcome in batch:
                await self._write_one(claim, outcome)

    async def _write_one(self, claim: ClaimedJob, outcome: JobOutcome) -> None:
        try:
            await self._write_in_autocommit([(claim, outcome)])
        except DATA_ERRORS:
            log.error("job.result_not_storable", job=str(claim.id))
            error = outcome.error and "The error message could not be stored."
            await self._write_in_autocommit([(claim, replace(outcome, result=None, error=error, message=None))])

    async def _write_in_autocommit(self, batch: Collection[tuple[ClaimedJob, JobOutcome]]) -> None:
        async with self._database.autocommit() as connection:
            await self.write(connection, batch)

    async def _finish_messages(
        self, connection: asyncpg.Connection, batch: dict[UUID, tuple[ClaimedJob, JobOutcome]], ours: dict[UUID, str]
    ) -> None:
        """Remove or release the messages. If that fails, they are delivered again, and then dropped or run."""
        try:
            gone = [(batch[job_id][0].message, status) for job_id, status in ours.items() if status != JobStatus.QUEUED]
            await self._engine.finish(connection, gone)
            queued = [batch[job_id] for job_id, status in ours.items() if status == JobStatus.QUEUED]
            released = [(claim.message, timedelta(seconds=outcome.delay)) for claim, outcome in queued]
            await self._engine.release(connection, self._worker_id, released)
        except Exception as error:
            log.warning("job_messages.removal_failed", reason=type(error).__name__)


def attempt_keys(claims: Sequence[ClaimedJob]) -> tuple[list[UUID], list[int], list[int]]:
    """The columns that identify each attempt: job ID, message ID and attempt number."""
    return [each.id for each in claims], [each.message.id for each in claims], [each.attempt for each in claims]
