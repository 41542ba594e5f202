"""State changes of running jobs, collected and written together: ends, progress and heartbeats.

Killing the worker loses marks that were not written yet: such a job runs again. Nothing else is lost.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog
from msgspec.structs import replace

from undercroft.core.db.session import Database
from undercroft.jobs import history
from undercroft.jobs.connections import connected
from undercroft.jobs.engines import Engine, Message
from undercroft.jobs.execution import Attempt
from undercroft.jobs.history import Outcome
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
        self._ended: dict[UUID, tuple[Message, Outcome]] = {}
        self._full = asyncio.Event()
        self._any = asyncio.Event()
        self._writing = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._ended)

    def __contains__(self, job_id: UUID) -> bool:
        return job_id in self._ended

    def ended(self, message: Message, outcome: Outcome) -> None:
        """Write this with the next batch."""
        self._ended[message.job_id] = (message, outcome)
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

    async def beat(self, message_ids: Iterable[int], job_ids: Iterable[UUID]) -> set[UUID]:
        """Keep these messages; which of these jobs somebody asked to cancel."""
        async with self._writing, connected(self._database) as connection:
            await self._engine.heartbeat(connection, sorted(message_ids))
            return await history.asked_to_stop(connection, list(job_ids))

    async def write_progress(self, attempts: Iterable[Attempt]) -> None:
        """Write the progress that changed since the last time."""
        changed = [each for each in attempts if each.progress.changed]
        if not changed:
            return
        for each in changed:
            each.progress.changed = False
        told = [(each.id, each.progress.fraction, each.progress.message) for each in changed]
        async with self._writing, connected(self._database) as connection:
            await history.mark_progress(connection, told, self._worker_id)

    async def _write(self, batch: dict[UUID, tuple[Message, Outcome]]) -> None:
        try:
            await self._write_together(batch)
        except UNSTORABLE:
            for job_id, (message, outcome) in batch.items():
                await self._write_alone(job_id, message, outcome)

    async def _write_alone(self, job_id: UUID, message: Message, outcome: Outcome) -> None:
        """One of a batch that was refused; what cannot be stored is left out."""
        try:
            await self._write_together({job_id: (message, outcome)})
        except UNSTORABLE:
            log.error("a job's result or error cannot be stored", job=str(job_id))
            bare = replace(outcome, result=None, error=outcome.error and "It could not be stored.", message=None)
            await self._write_together({job_id: (message, bare)})

    async def _write_together(self, batch: dict[UUID, tuple[Message, Outcome]]) -> None:
        async with connected(self._database) as connection:
            outcomes = {job_id: outcome for job_id, (_, outcome) in batch.items()}
            mine = await history.mark_ended(connection, outcomes, self._worker_id)
            await self._tell_engine(connection, batch, mine)
        for job_id in outcomes.keys() - mine.keys():
            log.warning("job was given to another worker meanwhile; this end is not counted", ended=str(job_id))

    async def _tell_engine(
        self, connection: asyncpg.Connection, batch: dict[UUID, tuple[Message, Outcome]], mine: dict[UUID, str]
    ) -> None:
        """Remove or postpone the messages. Should that fail, they come round again and are dropped or run then."""
        try:
            gone = [(batch[job_id][0], status) for job_id, status in mine.items() if status != JobStatus.QUEUED]
            await self._engine.end(connection, gone)
            for job_id in (job_id for job_id, status in mine.items() if status == JobStatus.QUEUED):
                message, outcome = batch[job_id]
                await self._engine.postpone(connection, message, timedelta(seconds=outcome.delay))
        except Exception as error:
            log.warning("messages of ended jobs could not be removed yet", reason=type(error).__name__)
