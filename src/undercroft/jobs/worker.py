"""The worker: claims due jobs, runs them, renews its claims with heartbeats and writes the outcomes."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog
from msgspec.structs import replace

from undercroft.core.db.connect import connect
from undercroft.core.db.errors import translate_error
from undercroft.core.db.session import Database
from undercroft.core.db.settings import DatabaseSettings
from undercroft.core.ids import new_id
from undercroft.core.settings import load
from undercroft.core.telemetry import logs
from undercroft.jobs import heartbeat, status_updates
from undercroft.jobs.connections import autocommit_connection
from undercroft.jobs.engines import get_engine
from undercroft.jobs.execution import EXIT_TIMEOUT, JobAttempt, StopReason, worker_died_outcome
from undercroft.jobs.health import health
from undercroft.jobs.maintenance import sweep
from undercroft.jobs.models import JobStatus
from undercroft.jobs.registry import tasks
from undercroft.jobs.schedules import Scheduler
from undercroft.jobs.settings import JobsSettings
from undercroft.jobs.status_updates import ClaimedJob, JobOutcome
from undercroft.jobs.status_writer import StatusWriter
from undercroft.jobs.watchdog import HeartbeatProcess, Watchdog

log = structlog.get_logger("undercroft.application")

CLAIM_DELAY = 0.005
"""Seconds to wait for more jobs to finish before the next claim while there is a backlog, to claim larger batches."""

FINAL_WRITE_TIMEOUT = 2.0
PROGRESS_INTERVAL = 0.5
MAX_RETRY_DELAY = 2.0


class Worker:
    """Runs the jobs of some queues, or of all queues, until `stop` is called.

    Jobs use `database`; the queue has separate connections, so that busy jobs cannot delay heartbeats. Execution is
    at-least-once: a job runs again if the worker dies before its outcome is written.
    """

    def __init__(self, database: Database, *, queues: tuple[str, ...] = (), concurrency: int | None = None) -> None:
        self.id = new_id()
        self.queues = queues
        self._settings = load(JobsSettings)
        self.concurrency = concurrency or self._settings.jobs_concurrency
        self._database = database
        self._queue = _queue_database(database, self._settings.jobs_connections)
        self._engine = get_engine()
        self._tasks = tasks(*queues)
        self._status_writer = StatusWriter(self._queue, self._engine, self.id)
        self._attempts: dict[UUID, JobAttempt] = {}
        self._deferred: dict[UUID, ClaimedJob] = {}
        self._reported: set[str] = set()
        self._claim_lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._slot_freed = asyncio.Event()
        self._stop_requested = asyncio.Event()
        self._force_stop = asyncio.Event()
        self._last_contact_at = time.monotonic()
        self._redelivery_grace = (0.0, 0.0)
        renewal_sql = self._engine.heartbeat_sql(self.id)
        heartbeats = HeartbeatProcess(database.url, renewal_sql, self._settings.jobs_redelivery / 4)
        self._watchdog = Watchdog(heartbeats, self._on_loop_blocked)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exit_at = float("inf")

    @property
    def task_names(self) -> list[str]:
        return sorted(self._tasks)

    def stop_from_signal(self) -> None:
        """Call `stop` from a signal handler. If a job blocks the event loop, the process exits anyway soon after
        JOBS_STOP_TIMEOUT, and its jobs return to the queue.
        """
        self._exit_at = min(self._exit_at, time.monotonic() + self._settings.jobs_stop_timeout + FINAL_WRITE_TIMEOUT)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.stop)

    def stop(self) -> None:
        """Stop claiming jobs and shut down after at most JOBS_STOP_TIMEOUT; a second call stops at once."""
        if self._stop_requested.is_set():
            self._force_stop.set()
        self._stop_requested.set()
        self._wake.set()
        self._slot_freed.set()

    async def run(self) -> None:
        """Run until `stop` is called. Database outages are retried and never raised."""
        log.info("worker.started", worker=str(self.id), queues=self.queues or "all", concurrency=self.concurrency)
        self._loop = asyncio.get_running_loop()
        self._watchdog.start()
        claiming = asyncio.create_task(self._repeat("claim", self._claim_step))
        loops = [asyncio.create_task(self._repeat(name, step)) for name, step in self._steps().items()]
        loops.append(asyncio.create_task(self._listen()))
        await self._stop_requested.wait()
        await asyncio.wait({claiming}, timeout=FINAL_WRITE_TIMEOUT)
        await self._shut_down()
        for loop in (claiming, *loops):
            loop.cancel()
        await asyncio.gather(claiming, *loops, return_exceptions=True)
        await asyncio.to_thread(self._watchdog.stop)
        await self._queue.close()
        log.info("worker.stopped", worker=str(self.id))

    async def drain(self) -> int:
        """Run all due jobs, including those that they enqueue, and return the number of claimed messages."""
        ran = 0
        while True:
            claimed = await self._claim(self.concurrency)
            ran += claimed
            while self._attempts or self._deferred:
                self._slot_freed.clear()
                await self._start_deferred()
                await self._slot_freed.wait()
            await self._status_writer.flush()
            if not claimed:
                return ran

    async def close(self) -> None:
        """Close the queue's connections, for a worker that only called `drain`."""
        await self._queue.close()

    def _steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        scheduler = Scheduler(self._queue)
        return {
            "write ends": self._status_writer.run_once,
            "heartbeat": self._heartbeat_step,
            "progress": self._progress_step,
            "deferred": self._deferred_step,
            "schedule": scheduler.run_once,
            "sweep": self._sweep_step,
        }

    async def _repeat(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step. Logs the first of consecutive errors and retries with backoff."""
        pause = 0.0
        while not (name == "claim" and self._stop_requested.is_set()):
            try:
                await step()
                if pause:
                    log.info("worker.recovered", part=name)
                pause = 0.0
            except Exception as error:
                if not pause:
                    log.warning("worker.step_failed", part=name, exc_info=None if translate_error(error) else error)
                pause = min(MAX_RETRY_DELAY, pause * 2 or 0.1)
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not security

    async def _claim_step(self) -> None:
        """Fill the free slots, then wait for a notification or the next poll."""
        free = self.concurrency - len(self._attempts) - len(self._deferred)
        if free <= 0:
            self._slot_freed.clear()
            await self._slot_freed.wait()
            if len(self._attempts) > self.concurrency // 2:
                await asyncio.sleep(CLAIM_DELAY)
            return
        self._wake.clear()
        if await self._claim(free) < free:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), await self._poll_delay())

    async def _claim(self, limit: int) -> int:
        """Claim and start up to `limit` jobs. Returns the number of claimed messages."""
        if not self._tasks:
            return 0
        async with self._claim_lock, autocommit_connection(self._queue) as connection:
            messages = await self._engine.claim(
                connection, limit=limit, tasks=self._tasks, worker_id=self.id, stale_after=self._stale_after()
            )
            fresh = [message for message in messages if not self._has_job(message.job_id)]
            claims, refused = await status_updates.mark_claimed(connection, fresh, self.id) if fresh else ([], [])
            await self._engine.finish(connection, [(message, "cancelled") for message in refused])
            for claim in claims:
                self._accept(claim)
        self._record_contact()
        return len(messages)

    def _accept(self, claim: ClaimedJob) -> None:
        if claim.exhausted:
            self._status_writer.add(claim, worker_died_outcome(claim))
        elif claim.alone:
            self._deferred[claim.id] = claim
            self._slot_freed.set()
        else:
            self._start(claim)

    def _start(self, claim: ClaimedJob) -> None:
        attempt = JobAttempt(
            claim, self._tasks[claim.task], self._database, self._on_attempt_end, blocked=self._blocked_seconds
        )
        self._attempts[claim.id] = attempt
        attempt.start()

    def _blocked_seconds(self) -> float:
        return self._watchdog.blocked_seconds

    def _on_attempt_end(self, attempt: JobAttempt, outcome: JobOutcome) -> None:
        self._attempts.pop(attempt.id, None)
        self._status_writer.add(attempt.claim, outcome)
        self._slot_freed.set()

    def _has_job(self, job_id: UUID) -> bool:
        return job_id in self._attempts or job_id in self._deferred or job_id in self._status_writer

    async def _deferred_step(self) -> None:
        await self._start_deferred()
        await asyncio.sleep(PROGRESS_INTERVAL / 5)

    async def _start_deferred(self) -> None:
        """Start one job that was lost more than once, the least lost first, unless another such job is running."""
        if not self._deferred or any(attempt.claim.alone for attempt in self._attempts.values()):
            return
        claim = min(self._deferred.values(), key=lambda deferred: deferred.lost)
        async with autocommit_connection(self._queue) as connection:
            number = await status_updates.mark_started_alone(connection, claim, self.id)
        del self._deferred[claim.id]
        if number is not None:
            self._start(replace(claim, attempt=number))
        self._slot_freed.set()

    async def _poll_delay(self) -> float:
        """Return the seconds until the next poll of the queue."""
        direct = self._database.settings.has_direct_connection
        longest = self._settings.jobs_poll_interval if direct else self._settings.jobs_poll_interval_pooled
        async with autocommit_connection(self._queue) as connection:
            due = await self._engine.next_due(connection, self._tasks)
        return longest if due is None else min(longest, max(0.01, due.total_seconds()))

    def _stale_after(self) -> timedelta:
        """Return the age at which a heartbeat is stale; it is higher for a while after an outage of the database."""
        until, longer = self._redelivery_grace
        extra = longer if time.monotonic() < until else 0
        return timedelta(seconds=self._settings.jobs_redelivery + extra)

    def _record_contact(self) -> None:
        """Record that the database responded. After an outage, give other workers time to send a heartbeat."""
        now = time.monotonic()
        silence = now - self._last_contact_at
        if silence > self._settings.jobs_redelivery / 2:
            self._redelivery_grace = (now + self._settings.jobs_redelivery / 2, silence)
        self._last_contact_at = now

    async def _heartbeat_step(self) -> None:
        """Record a heartbeat, and stop jobs that were canceled or whose claim was lost.

        Also renews the claims, in case the heartbeat process is not running.
        """
        await heartbeat.record_heartbeat(self._queue, self)
        async with autocommit_connection(self._queue) as connection:
            await connection.execute(self._engine.heartbeat_sql(self.id))
            await self._stop_interrupted(connection)
        await self._release_unknown()
        self._record_contact()
        await asyncio.sleep(self._settings.jobs_redelivery / 4)

    async def _stop_interrupted(self, connection: asyncpg.Connection) -> None:
        running = dict(self._attempts)
        if not running:
            return
        claims = [attempt.claim for attempt in running.values()]
        for job_id, is_ours in (await status_updates.find_interrupted(connection, claims, self.id)).items():
            running[job_id].stop(StopReason.REQUEST if is_ours else StopReason.LOST)

    async def _release_unknown(self) -> None:
        """Release messages claimed by a statement whose response was lost; heartbeats would renew them forever."""
        async with self._claim_lock, autocommit_connection(self._queue) as connection:
            claims = [attempt.claim for attempt in self._attempts.values()] + list(self._deferred.values())
            claims += [claim for claim, _ in self._status_writer.pending.values()]
            released = await self._engine.release_unknown(connection, self.id, [each.message.id for each in claims])
        if released:
            log.warning("claims.released", count=released)

    async def _progress_step(self) -> None:
        await asyncio.sleep(PROGRESS_INTERVAL)
        await self._status_writer.write_progress(list(self._attempts.values()))

    async def _sweep_step(self) -> None:
        await asyncio.sleep(self._settings.jobs_sweep_interval * random.uniform(0.5, 1))  # noqa: S311
        await sweep(self._database)
        await self._report_stranded()

    async def _report_stranded(self) -> None:
        """Log each task with due jobs that no live worker runs, once. The jobs stay queued."""
        for each in (await health(self._database)).stranded:
            if each.task not in self._reported:
                self._reported.add(each.task)
                log.warning(
                    "no worker runs this task: start a worker that does, or cancel its jobs",
                    waiting_task=each.task,
                    queue=each.queue,
                    due=each.due,
                )

    async def _listen(self) -> None:
        settings = self._queue.settings
        if settings.has_direct_connection:
            direct = settings.database_direct_url.get_secret_value()
            url = settings.direct_url if direct else self._database.url
            await self._engine.listen(url, settings, on_message=self._wake.set, on_cancel=self._on_cancel)
        else:
            log.warning(
                "jobs are polled without notifications: set DATABASE_DIRECT_URL to a URL that bypasses the pooler",
                seconds=self._settings.jobs_poll_interval_pooled,
            )

    def _on_cancel(self, message_id: int) -> None:
        for attempt in list(self._attempts.values()):
            if attempt.claim.message.id == message_id:
                attempt.stop(StopReason.REQUEST)

    async def _shut_down(self) -> None:
        """Let jobs finish until the timeout, release the others, and write all outcomes."""
        deadline = time.monotonic() + self._settings.jobs_stop_timeout
        while self._attempts and not self._force_stop.is_set() and (left := deadline - time.monotonic()) > 0:
            self._slot_freed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._slot_freed.wait(), min(left, 0.1))
        for attempt in list(self._attempts.values()):
            attempt.stop(StopReason.SHUTDOWN)
        while self._attempts:
            self._slot_freed.clear()
            await self._slot_freed.wait()
        try:
            async with asyncio.timeout(FINAL_WRITE_TIMEOUT):
                await self._final_writes()
        except Exception as error:
            log.warning("job outcomes could not be written: those jobs run again", error=type(error).__name__)

    async def _final_writes(self) -> None:
        await self._status_writer.flush()
        async with autocommit_connection(self._queue) as connection:
            await self._release_deferred(connection)
        self._deferred.clear()
        await heartbeat.delete_worker(self._queue, self.id)

    async def _release_deferred(self, connection: asyncpg.Connection) -> None:
        await self._engine.release(
            connection, self.id, [(each.message, timedelta()) for each in self._deferred.values()]
        )

    def _on_loop_blocked(self) -> None:
        """Exit the process if it should have stopped but the event loop is blocked. Runs in the watchdog's thread."""
        if time.monotonic() < self._exit_at:
            return
        log.error("a job blocks the event loop at shutdown: the worker releases its jobs and exits")
        try:
            asyncio.run(asyncio.wait_for(self._release_blocked(), FINAL_WRITE_TIMEOUT))
        except Exception as error:
            log.warning("jobs could not be released: they run again", error=type(error).__name__)
        logs.flush()
        os._exit(1)

    async def _release_blocked(self) -> None:
        """Release all jobs with a new connection, because those of the pool belong to the blocked event loop."""
        handed_back = JobOutcome(JobStatus.QUEUED, handed_back=True, delay=EXIT_TIMEOUT)
        running = [(attempt.claim, handed_back) for attempt in self._attempts.values()]
        connection = await connect(self._database.url, "queue")
        try:
            await self._status_writer.write(connection, [*self._status_writer.pending.values(), *running])
            await self._release_deferred(connection)
        finally:
            connection.terminate()


def _queue_database(database: Database, connections: int) -> Database:
    """Return the database with a separate pool and the timeouts of a request, for claims and status updates.

    Its commits are asynchronous: what a server crash may lose only causes a job to run again.
    """
    limits = load(DatabaseSettings)
    own = {
        "db_pool_size": connections,
        "db_read_pool_size": 1,
        "db_pool": "queue",
        "db_statement_timeout": min(limits.db_statement_timeout, database.settings.db_statement_timeout),
        "db_lock_timeout": min(limits.db_lock_timeout, database.settings.db_lock_timeout),
    }
    settings = database.settings.model_copy(update=own)
    return Database(settings, database.url, name="queue", server_settings={"synchronous_commit": "off"})
