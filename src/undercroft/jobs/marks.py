"""State changes of running jobs, collected and written together: ends, progress, and what does not stop.

Killing the worker loses marks that were not written yet: such a job runs again. Nothing else is lost.
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
from undercroft.jobs import history
from undercroft.jobs.connections import connected
from undercroft.jobs.engines import Engine
from undercroft.jobs.execution import Attempt
from undercroft.jobs.history import Claim, Outcome
from undercroft.jobs.models import JobStatus

log = structlog.get_logger("undercroft.application")

BATCH = 50
LINGER = 0.02
UNSTORABLE = (asyncpg.DataError, ValueError)


class Marks:
    """Writes what happened to this worker's jobs. One writer, so that its own statements never lock each other out."""

    def __init__(self, database: Database, engine: Engine, worker_id: UUID) -> None:
        self._database = database
        self._engine = engine
        self._worker_id = worker_id
        self._ended: dict[UUID, tuple[Claim, Outcome]] = {}
        self._full = asyncio.Event()
        self._any = asyncio.Event()
        self._writing = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._ended)

    def __contains__(self, job_id: UUID) -> bool:
        return job_id in self._ended

    @property
    def pending(self) -> dict[UUID, tuple[Claim, Outcome]]:
        """The ends that are not written yet."""
        return dict(self._ended)

    def ended(self, claim: Claim, outcome: Outcome) -> None:
        """Write this with the next batch."""
        self._ended[claim.id] = (claim, outcome)
        self._any.set()
        if len(self._ended) >= BATCH:
            self._full.set()

    async def round(self) -> None:
        """Write one batch: 50, or what there is 20 ms after the first."""
        await self._any.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._full.wait(), LINGER)
        await self.flush()

    async def flush(self) -> None:
        """Write all ends now. Raises what the database says; then they are kept and written with the next batch."""
        async with self._writing:
            self._any.clear()
            self._full.clear()
            batch = dict(self._ended)
            if not batch:
                return
            try:
                await self._write(batch)
            except BaseException:
                self._any.set()
                raise
            for job_id, entry in batch.items():
                if self._ended.get(job_id) is entry:
                    del self._ended[job_id]

    async def write_progress(self, attempts: Iterable[Attempt]) -> None:
        """Write the progress that changed since the last time, and which attempts turned out not to stop."""
        running = list(attempts)
        changed = [each for each in running if each.progress.changed]
        for each in changed:
            each.progress.changed = False
        written = [(each.id, each.progress.fraction, each.progress.message) for each in changed]
        unresponsive = [each for each in running if each.unreported]
        if not written and not unresponsive:
            return
        async with self._writing, connected(self._database) as connection:
            if written:
                await history.mark_progress(connection, written, self._worker_id)
            if unresponsive:
                reasons = [(each.claim, each.unreported or "") for each in unresponsive]
                await history.mark_unresponsive(connection, reasons, self._worker_id)
        for each in unresponsive:
            each.unreported = None

    async def write(self, connection: asyncpg.Connection, batch: Collection[tuple[Claim, Outcome]]) -> None:
        """Write these ends over this connection and remove or release their messages."""
        ours = await history.mark_ended(connection, batch, self._worker_id)
        await self._end_messages(connection, {claim.id: (claim, outcome) for claim, outcome in batch}, ours)
        for claim, _ in batch:
            if claim.id not in ours:
                log.warning("result rejected: the job is no longer this worker's", ended=str(claim.id))

    async def _write(self, batch: dict[UUID, tuple[Claim, Outcome]]) -> None:
        try:
            await self._write_together(batch.values())
        except UNSTORABLE:
            for claim, outcome in batch.values():
                await self._write_alone(claim, outcome)

    async def _write_alone(self, claim: Claim, outcome: Outcome) -> None:
        """One of a batch that was refused; what cannot be stored is left out."""
        try:
            await self._write_together([(claim, outcome)])
        except UNSTORABLE:
            log.error("a job's result or error cannot be stored", job=str(claim.id))
            bare = replace(outcome, result=None, error=outcome.error and "It could not be stored.", message=None)
            await self._write_together([(claim, bare)])

    async def _write_together(self, batch: Collection[tuple[Claim, Outcome]]) -> None:
        async with connected(self._database) as connection:
            await self.write(connection, batch)

    async def _end_messages(
        self, connection: asyncpg.Connection, batch: dict[UUID, tuple[Claim, Outcome]], ours: dict[UUID, str]
    ) -> None:
        """Remove or release the messages. Should that fail, they come round again and are dropped or run then."""
        try:
            gone = [(batch[job_id][0].message, status) for job_id, status in ours.items() if status != JobStatus.QUEUED]
            await self._engine.end(connection, gone)
            queued = [batch[job_id] for job_id, status in ours.items() if status == JobStatus.QUEUED]
            released = [(claim.message, timedelta(seconds=outcome.delay)) for claim, outcome in queued]
            await self._engine.release(connection, self._worker_id, released)
        except Exception as error:
            log.warning("messages of ended jobs could not be removed yet", reason=type(error).__name__)
