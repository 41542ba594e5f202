"""The worker: claims due jobs, runs them, renews its claims with heartbeats and writes the outcomes."""

import asyncio
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from undercroft.core.db import Database
from undercroft.core.db.connect import connect
from undercroft.core.db.errors import translate_error
from undercroft.core.ids import new_id
from undercroft.core.settings import load
from undercroft.core.telemetry import logs
from undercroft.jobs.claims import Claims
from undercroft.jobs.engines import get_engine
from undercroft.jobs.health import health
from undercroft.jobs.maintenance import sweep
from undercroft.jobs.queue_database import QueueDatabase
from undercroft.jobs.registry import tasks
from undercroft.jobs.schedules import Scheduler
from undercroft.jobs.settings import JobsSettings
from undercroft.jobs.watchdog import HeartbeatProcess, Watchdog

log = structlog.get_logger("undercroft.application")

CLAIM_DELAY = 0.005
"""Seconds to wait for more jobs to finish before the next claim while there is a backlog, to claim larger batches."""

FINAL_WRITE_TIMEOUT = 2.0
PROGRESS_INTERVAL = 0.5
MAX_RETRY_DELAY = 2.0

UPSERT_WORKER = """
INSERT INTO job_workers (id, host, pid, queues, concurrency, tasks, started_at, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, now(), now())
ON CONFLICT (id) DO UPDATE SET seen_at = now()
"""

DELETE_WORKER = "DELETE FROM job_workers WHERE id = $1"


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
        self._queue = QueueDatabase(database, connections=self._settings.jobs_connections)
        self._engine = get_engine()
        self._tasks = tasks(*queues)
        self._claims = Claims(
            self.id, self._tasks, database, self._queue, self._engine, blocked=lambda: self._watchdog.blocked_seconds
        )
        self._reported: set[str] = set()
        self._wake = asyncio.Event()
        self._stop_requested = asyncio.Event()
        self._force_stop = asyncio.Event()
        renewal_sql = self._engine.heartbeat_sql(self.id)
        heartbeats = HeartbeatProcess(database.url, renewal_sql, self._settings.jobs_redelivery / 4)
        self._watchdog = Watchdog(heartbeats, self._on_loop_blocked)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exit_at = float("inf")

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
        self._claims.slot_freed.set()

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
            claimed = await self._claims.claim(self.concurrency)
            ran += claimed
            while self._claims:
                self._claims.slot_freed.clear()
                await self._claims.start_deferred()
                await self._claims.slot_freed.wait()
            await self._claims.outcomes.flush()
            if not claimed:
                return ran

    async def close(self) -> None:
        """Close the queue's connections, for a worker that only called `drain`."""
        await self._queue.close()

    def _steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        scheduler = Scheduler(self._queue)
        return {
            "write outcomes": self._claims.outcomes.run_once,
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
        free = self.concurrency - len(self._claims)
        if free <= 0:
            self._claims.slot_freed.clear()
            await self._claims.slot_freed.wait()
            if len(self._claims.attempts) > self.concurrency // 2:
                await asyncio.sleep(CLAIM_DELAY)
            return
        self._wake.clear()
        if await self._claims.claim(free) < free:
            with suppress(TimeoutError):
                async with asyncio.timeout(await self._poll_delay()):
                    await self._wake.wait()

    async def _poll_delay(self) -> float:
        """Return the seconds until the next poll of the queue."""
        direct = self._database.settings.has_direct_connection
        longest = self._settings.jobs_poll_interval if direct else self._settings.jobs_poll_interval_pooled
        async with self._queue.autocommit() as connection:
            due = await self._engine.next_due(connection, self._tasks)
        return longest if due is None else min(longest, max(0.01, due.total_seconds()))

    async def _heartbeat_step(self) -> None:
        """Record that this worker accepts jobs. While a job blocks the event loop, it accepts none and records nothing.

        The heartbeat process renews the claims also then.
        """
        async with self._queue.autocommit() as connection:
            names = ",".join(self.queues)
            await connection.execute(
                UPSERT_WORKER, self.id, socket.gethostname(), os.getpid(), names, self.concurrency, sorted(self._tasks)
            )
        await self._claims.renew()
        await asyncio.sleep(self._settings.jobs_redelivery / 4)

    async def _deferred_step(self) -> None:
        await self._claims.start_deferred()
        await asyncio.sleep(PROGRESS_INTERVAL / 5)

    async def _progress_step(self) -> None:
        await asyncio.sleep(PROGRESS_INTERVAL)
        await self._claims.outcomes.write_progress(self._claims.attempts.values())

    async def _sweep_step(self) -> None:
        await asyncio.sleep(self._settings.jobs_sweep_interval * random.uniform(0.5, 1))  # noqa: S311
        await sweep(self._database)
        # Each task with due jobs that no live worker runs is reported once. The jobs stay queued.
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
            await self._engine.listen(url, settings, on_message=self._wake.set, on_cancel=self._claims.cancel)
        else:
            log.warning(
                "jobs are polled without notifications: set DATABASE_DIRECT_URL to a URL that bypasses the pooler",
                seconds=self._settings.jobs_poll_interval_pooled,
            )

    async def _shut_down(self) -> None:
        """Let jobs finish until the timeout, release the others, and write all outcomes."""
        claims = self._claims
        deadline = time.monotonic() + self._settings.jobs_stop_timeout
        while claims.attempts and not self._force_stop.is_set() and (left := deadline - time.monotonic()) > 0:
            claims.slot_freed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, 0.1)):
                    await claims.slot_freed.wait()
        claims.stop_all()
        while claims.attempts:
            claims.slot_freed.clear()
            await claims.slot_freed.wait()
        try:
            async with asyncio.timeout(FINAL_WRITE_TIMEOUT):
                await claims.settle()
                async with self._queue.autocommit() as connection:
                    await connection.execute(DELETE_WORKER, self.id)
        except Exception as error:
            log.warning("job outcomes could not be written: those jobs run again", error=type(error).__name__)

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
        connection = await connect(self._database.url, "queue")
        try:
            await self._claims.hand_back(connection)
        finally:
            connection.terminate()
