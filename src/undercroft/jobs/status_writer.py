"""Writes status changes of running jobs in batches: outcomes, progress and unresponsive tasks.

If the worker is killed, unwritten outcomes are lost, and those jobs run again.
"""

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog
from msgspec.structs import replace

from undercroft.core.db.session import Database
from undercroft.jobs import status_updates
from undercroft.jobs.connections import autocommit_connection
from undercroft.jobs.engines import Engine
from undercroft.jobs.execution import JobAttempt
from undercroft.jobs.models import JobStatus
from undercroft.jobs.status_updates import ClaimedJob, JobOutcome

log = structlog.get_logger("undercroft.application")

BATCH_SIZE = 50
LINGER = 0.02
DATA_ERRORS = (asyncpg.DataError, ValueError)


class StatusWriter:
    """Writes the outcomes of this worker's jobs. A worker has one writer, so its statements never block each other."""

    def __init__(self, database: Database, engine: Engine, worker_id: UUID) -> None:
        self._database = database
        self._engine = engine
        self._worker_id = worker_id
        self._unwritten: dict[UUID, tuple[ClaimedJob, JobOutcome]] = {}
        self._full = asyncio.Event()
        self._any = asyncio.Event()
        self._writing = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._unwritten)

    def __contains__(self, job_id: UUID) -> bool:
        return job_id in self._unwritten

    @property
    def pending(self) -> dict[UUID, tuple[ClaimedJob, JobOutcome]]:
        """The outcomes that are not written yet."""
        return dict(self._unwritten)

    def add(self, claim: ClaimedJob, outcome: JobOutcome) -> None:
        """Add an outcome to the next batch."""
        self._unwritten[claim.id] = (claim, outcome)
        self._any.set()
        if len(self._unwritten) >= BATCH_SIZE:
            self._full.set()

    async def run_once(self) -> None:
        """Write one batch: 50 outcomes, or those that arrive within 20 ms after the first."""
        await self._any.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._full.wait(), LINGER)
        await self.flush()

    async def flush(self) -> None:
        """Write all outcomes now. After a database error, they stay in the next batch, and the error is raised."""
        async with self._writing:
            self._any.clear()
            self._full.clear()
            batch = dict(self._unwritten)
            if not batch:
                return
            try:
                await self._write(batch)
            except BaseException:
                self._any.set()
                raise
            for job_id, entry in batch.items():
                if self._unwritten.get(job_id) is entry:
                    del self._unwritten[job_id]

    async def write_progress(self, attempts: Iterable[JobAttempt]) -> None:
        """Write progress that has changed, and attempts that have become unresponsive."""
        running = list(attempts)
        changed = [each for each in running if each.progress.changed]
        for each in changed:
            each.progress.changed = False
        written = [(each.id, each.progress.fraction, each.progress.message) for each in changed]
        unresponsive = [each for each in running if each.unresponsive_reason]
        if not written and not unresponsive:
            return
        async with self._writing, autocommit_connection(self._database) as connection:
            if written:
                await status_updates.mark_progress(connection, written, self._worker_id)
            if unresponsive:
                reasons = [(each.claim, each.unresponsive_reason or "") for each in unresponsive]
                await status_updates.mark_unresponsive(connection, reasons, self._worker_id)
        for each in unresponsive:
            each.unresponsive_reason = None

    async def write(self, connection: asyncpg.Connection, batch: Collection[tuple[ClaimedJob, JobOutcome]]) -> None:
        """Write these outcomes with this connection, and remove or release the messages."""
        ours = await status_updates.mark_ended(connection, batch, self._worker_id)
        await self._finish_messages(connection, {claim.id: (claim, outcome) for claim, outcome in batch}, ours)
        for claim, _ in batch:
            if claim.id not in ours:
                log.warning("job.result_rejected", job=str(claim.id))

    async def _write(self, batch: dict[UUID, tuple[ClaimedJob, JobOutcome]]) -> None:
        try:
            await self._write_batch(batch.values())
        except DATA_ERRORS:
            for claim, outcome in batch.values():
                await self._write_one(claim, outcome)

    async def _write_one(self, claim: ClaimedJob, outcome: JobOutcome) -> None:
        """Write one outcome of a rejected batch, without values that cannot be stored."""
        try:
            await self._write_batch([(claim, outcome)])
        except DATA_ERRORS:
            log.error("job.result_not_storable", job=str(claim.id))
            bare = replace(
                outcome, result=None, error=outcome.error and "The error message could not be stored.", message=None
            )
            await self._write_batch([(claim, bare)])

    async def _write_batch(self, batch: Collection[tuple[ClaimedJob, JobOutcome]]) -> None:
        async with autocommit_connection(self._database) as connection:
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
