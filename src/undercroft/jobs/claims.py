"""The jobs that a worker has claimed: their claims are renewed by heartbeats, and lost if those stop for too long."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from msgspec.structs import replace

from undercroft.core.db import Database
from undercroft.core.settings import load
from undercroft.jobs.engines import Engine, QueueMessage
from undercroft.jobs.execution import (
    EXIT_TIMEOUT,
    ClaimedJob,
    JobAttempt,
    JobOutcome,
    StopReason,
    worker_died_outcome,
)
from undercroft.jobs.models import JobStatus
from undercroft.jobs.queue_database import QueueDatabase
from undercroft.jobs.registry import Task
from undercroft.jobs.settings import JobsSettings
from undercroft.jobs.status_writer import StatusWriter, attempt_keys

log = structlog.get_logger("undercroft.application")

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
RETURNING j.message_id, j.id, j.task, j.queue, j.args::text, j.attempts AS attempt, j.max_attempts, j.key, j.request_id,
    j.lost, c.exhausted, NOT c.exhausted AND c.lost >= {MAX_SHARED_LOSSES} AS alone
"""  # noqa: S608 - only constants

MARK_STARTED_ALONE = """
UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = now(), updated_at = now()
WHERE id = $1 AND message_id = $2 AND worker_id = $3 AND status = 'queued' AND NOT cancel_requested
RETURNING attempts
"""

MARK_CANCELED = """
UPDATE jobs SET status = 'canceled', cancel_requested = false, finished_at = now(), updated_at = now()
FROM unnest($1::uuid[], $2::bigint[]) AS m(job_id, message)
WHERE id = m.job_id AND message_id = m.message AND status IN ('queued', 'running') AND cancel_requested
"""

FIND_INTERRUPTED = """
SELECT r.id, j.id IS NOT NULL AS is_ours
FROM unnest($2::uuid[], $3::bigint[], $4::int[]) AS r(id, message_id, attempt)
LEFT JOIN jobs j ON j.id = r.id AND j.worker_id = $1 AND j.status = 'running' AND j.message_id = r.message_id
    AND j.attempts = r.attempt
WHERE j.id IS NULL OR j.cancel_requested
"""


class Claims:
    """The claimed jobs of one worker: they run, wait to run alone, or have an outcome that is not written yet.

    `slot_freed` is set whenever another job can run. `blocked` returns for how many seconds the event loop has been
    blocked so far.
    """

    def __init__(
        self,
        worker_id: UUID,
        tasks: Mapping[str, Task[..., Any]],
        database: Database,
        queue: QueueDatabase,
        engine: Engine,
        *,
        blocked: Callable[[], float],
    ) -> None:
        self._worker_id = worker_id
        self._tasks = tasks
        self._database = database
        self._queue = queue
        self._engine = engine
        self._blocked = blocked
        self.outcomes = StatusWriter(queue, engine, worker_id)
        self.attempts: dict[UUID, JobAttempt] = {}
        self.deferred: dict[UUID, ClaimedJob] = {}
        self.slot_freed = asyncio.Event()
        self._lock = asyncio.Lock()
        self._redelivery: float = load(JobsSettings).jobs_redelivery
        self._last_contact_at = time.monotonic()
        self._redelivery_grace = (0.0, 0.0)

    def __len__(self) -> int:
        """The number of jobs that run or wait to run."""
        return len(self.attempts) + len(self.deferred)

    async def claim(self, limit: int) -> int:
        """Claim and start up to `limit` jobs. Returns the number of claimed messages."""
        async with self._lock, self._queue.autocommit() as connection:
            messages = await self._engine.claim(
                connection, limit=limit, tasks=self._tasks, worker_id=self._worker_id, stale_after=self._stale_after()
            )
            fresh = [message for message in messages if not self._has_job(message.job_id)]
            claims, refused = await self._mark_claimed(connection, fresh) if fresh else ([], [])
            await self._engine.finish(connection, [(message, JobStatus.CANCELED) for message in refused])
            for claim in claims:
                self._accept(claim)
        self._record_contact()
        return len(messages)

    async def _mark_claimed(
        self, connection: asyncpg.Connection, messages: Sequence[QueueMessage]
    ) -> tuple[list[ClaimedJob], list[QueueMessage]]:
        """Mark the jobs of these messages as running on this worker.

        Returns the claims, and the messages of jobs that must not run: ended, canceled, or with a newer message.
        """
        ids = [message.job_id for message in messages], [message.id for message in messages]
        rows = {row["message_id"]: row for row in await connection.fetch(MARK_CLAIMED, *ids, self._worker_id)}
        claims = [_build_claim(rows[message.id], message) for message in messages if message.id in rows]
        refused = [message for message in messages if message.id not in rows]
        if refused:
            await connection.execute(MARK_CANCELED, *ids)
        return claims, refused

    def _accept(self, claim: ClaimedJob) -> None:
        if claim.exhausted:
            self.outcomes.add(claim, worker_died_outcome(claim))
        elif claim.alone:
            self.deferred[claim.id] = claim
            self.slot_freed.set()
        else:
            self._start(claim)

    def _start(self, claim: ClaimedJob) -> None:
        attempt = JobAttempt(
            claim, self._tasks[claim.task], self._database, self._on_attempt_end, blocked=self._blocked
        )
        self.attempts[claim.id] = attempt
        attempt.start()

    def _on_attempt_end(self, attempt: JobAttempt, outcome: JobOutcome) -> None:
        self.attempts.pop(attempt.id, None)
        self.outcomes.add(attempt.claim, outcome)
        self.slot_freed.set()

    def _has_job(self, job_id: UUID) -> bool:
        return job_id in self.attempts or job_id in self.deferred or job_id in self.outcomes.pending

    async def start_deferred(self) -> None:
        """Start one job that was lost more than once, the least lost first, unless another such job is running."""
        if not self.deferred or any(attempt.claim.alone for attempt in self.attempts.values()):
            return
        claim = min(self.deferred.values(), key=lambda deferred: deferred.lost)
        async with self._queue.autocommit() as connection:
            number = await connection.fetchval(MARK_STARTED_ALONE, claim.id, claim.message.id, self._worker_id)
        del self.deferred[claim.id]
        if number is not None:
            self._start(replace(claim, attempt=number))
        self.slot_freed.set()

    async def renew(self) -> None:
        """Renew the claims, in case the heartbeat process is not running, and stop jobs that were canceled or whose
        claim was lost.
        """
        async with self._queue.autocommit() as connection:
            await connection.execute(self._engine.heartbeat_sql(self._worker_id))
            await self._stop_interrupted(connection)
        await self._release_unknown()
        self._record_contact()

    async def _stop_interrupted(self, connection: asyncpg.Connection) -> None:
        running = dict(self.attempts)
        if not running:
            return
        keys = attempt_keys([attempt.claim for attempt in running.values()])
        for row in await connection.fetch(FIND_INTERRUPTED, self._worker_id, *keys):
            running[row["id"]].stop(StopReason.REQUEST if row["is_ours"] else StopReason.LOST)

    async def _release_unknown(self) -> None:
        """Release messages claimed by a statement whose response was lost; heartbeats would renew them forever."""
        async with self._lock, self._queue.autocommit() as connection:
            claims = [attempt.claim for attempt in self.attempts.values()] + list(self.deferred.values())
            claims += [claim for claim, _ in self.outcomes.pending.values()]
            known = [each.message.id for each in claims]
            released = await self._engine.release_unknown(connection, self._worker_id, known)
        if released:
            log.warning("claims.released", count=released)

    def _stale_after(self) -> timedelta:
        """Return the age at which a heartbeat is stale; it is higher for a while after an outage of the database.

        The claim may be the first contact after the outage.
        """
        now = time.monotonic()
        until, longer = self._redelivery_grace
        grace = max(longer if now < until else 0, self._find_outage(now))
        return timedelta(seconds=self._redelivery + grace)

    def _find_outage(self, now: float) -> float:
        """Return the seconds since the database last responded, or 0 if they are too few for an outage."""
        silence = now - self._last_contact_at
        return silence if silence > self._redelivery / 2 else 0

    def _record_contact(self) -> None:
        """Record that the database responded. After an outage, give other workers time to send a heartbeat."""
        now = time.monotonic()
        if outage := self._find_outage(now):
            self._redelivery_grace = (now + self._redelivery / 2, outage)
        self._last_contact_at = now

    def cancel(self, message_id: int) -> None:
        """Stop the job of this message."""
        for attempt in list(self.attempts.values()):
            if attempt.claim.message.id == message_id:
                attempt.stop(StopReason.REQUEST)

    def stop_all(self) -> None:
        """Stop all running jobs, because the worker stops."""
        for attempt in list(self.attempts.values()):
            attempt.stop(StopReason.SHUTDOWN)

    async def settle(self) -> None:
        """Write all outcomes, and release the jobs that have not started."""
        await self.outcomes.flush()
        async with self._queue.autocommit() as connection:
            await self._release_deferred(connection)
        self.deferred.clear()

    async def hand_back(self, connection: asyncpg.Connection) -> None:
        """Write all outcomes and release all other jobs, with a connection that belongs to another event loop."""
        handed_back = JobOutcome(JobStatus.QUEUED, handed_back=True, delay=EXIT_TIMEOUT)
        running = [(attempt.claim, handed_back) for attempt in self.attempts.values()]
        await self.outcomes.write(connection, [*self.outcomes.pending.values(), *running])
        await self._release_deferred(connection)

    async def _release_deferred(self, connection: asyncpg.Connection) -> None:
        released = [(each.message, timedelta()) for each in self.deferred.values()]
        await self._engine.release(connection, self._worker_id, released)


def _build_claim(row: asyncpg.Record, message: QueueMessage) -> ClaimedJob:
    columns = dict(row) | {"args": json.loads(row["args"]), "message": message}
    del columns["message_id"]
    return ClaimedJob(**columns)
