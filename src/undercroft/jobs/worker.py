"""The worker: claims what is due, runs it, renews its claims with heartbeats, writes what came of it."""

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
from undercroft.core.db.errors import translated
from undercroft.core.db.session import Database
from undercroft.core.db.settings import DatabaseSettings
from undercroft.core.ids import new_id
from undercroft.core.settings import load
from undercroft.core.telemetry import logs
from undercroft.jobs import history, presence
from undercroft.jobs.connections import connected
from undercroft.jobs.engines import engine
from undercroft.jobs.execution import EXIT_WITHIN, Attempt, Stop, blamed
from undercroft.jobs.health import health
from undercroft.jobs.history import Claim, Outcome
from undercroft.jobs.marks import Marks
from undercroft.jobs.models import JobStatus
from undercroft.jobs.registry import tasks
from undercroft.jobs.schedules import Scheduler
from undercroft.jobs.settings import JobsSettings
from undercroft.jobs.upkeep import sweep
from undercroft.jobs.watchdog import HeartbeatProcess, Watchdog

log = structlog.get_logger("undercroft.application")

GATHER = 0.005
"""Seconds to let more jobs finish before the next claim while there is a backlog, so that claims are large."""

LAST_WRITES = 2.0
PROGRESS_EVERY = 0.5
LONGEST_PAUSE = 2.0


class Worker:
    """Runs the jobs of some queues, all when none is named, until it is told to stop.

    `database` is what the jobs work with; the queue has connections of its own, so that busy jobs cannot keep
    heartbeats waiting. At least once: a job runs again when the worker died before its end was written.
    """

    def __init__(self, database: Database, *, queues: tuple[str, ...] = (), concurrency: int | None = None) -> None:
        self.id = new_id()
        self.queues = queues
        self._settings = load(JobsSettings)
        self.concurrency = concurrency or self._settings.jobs_concurrency
        self._database = database
        self._queue = _queue_database(database, self._settings.jobs_connections)
        self._engine = engine()
        self._tasks = tasks(*queues)
        self._marks = Marks(self._queue, self._engine, self.id)
        self._attempts: dict[UUID, Attempt] = {}
        self._kept: dict[UUID, Claim] = {}
        self._reported: set[str] = set()
        self._claiming = asyncio.Lock()
        self._wake = asyncio.Event()
        self._slot = asyncio.Event()
        self._asked_to_stop = asyncio.Event()
        self._hurried = asyncio.Event()
        self._reached_at = time.monotonic()
        self._patience = (0.0, 0.0)
        heartbeat = self._engine.heartbeat_sql(self.id)
        heartbeats = HeartbeatProcess(database.url, heartbeat, self._settings.jobs_redelivery / 4)
        self._watchdog = Watchdog(heartbeats, self._loop_blocked)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exit_at = float("inf")

    @property
    def task_names(self) -> list[str]:
        return sorted(self._tasks)

    def stop_from_signal(self) -> None:
        """`stop`, from a signal's handler. Should a job block the event loop, the process ends all the same, a little
        after JOBS_STOP_TIMEOUT, and its jobs are handed back.
        """
        self._exit_at = min(self._exit_at, time.monotonic() + self._settings.jobs_stop_timeout + LAST_WRITES)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.stop)

    def stop(self) -> None:
        """Claim nothing more and end: running jobs get JOBS_STOP_TIMEOUT, or nothing at the second call."""
        if self._asked_to_stop.is_set():
            self._hurried.set()
        self._asked_to_stop.set()
        self._wake.set()
        self._slot.set()

    async def run(self) -> None:
        """Work until `stop`. An outage of the database is waited for, never raised."""
        log.info("worker started", worker=str(self.id), queues=self.queues or "all", concurrency=self.concurrency)
        self._loop = asyncio.get_running_loop()
        self._watchdog.start()
        claiming = asyncio.create_task(self._forever("claim", self._claim_round))
        loops = [asyncio.create_task(self._forever(name, step)) for name, step in self._rounds().items()]
        loops.append(asyncio.create_task(self._listen()))
        await self._asked_to_stop.wait()
        await asyncio.wait({claiming}, timeout=LAST_WRITES)
        await self._finish_or_hand_back()
        for loop in (claiming, *loops):
            loop.cancel()
        await asyncio.gather(claiming, *loops, return_exceptions=True)
        await asyncio.to_thread(self._watchdog.stop)
        await self._queue.close()
        log.info("worker stopped", worker=str(self.id))

    async def drain(self) -> int:
        """Run everything that is due, and what that enqueues, then return how many attempts that took."""
        ran = 0
        while True:
            claimed = await self._claim(self.concurrency)
            ran += claimed
            while self._attempts or self._kept:
                self._slot.clear()
                await self._start_kept()
                await self._slot.wait()
            await self._marks.flush()
            if not claimed:
                return ran

    async def close(self) -> None:
        """Give up the queue's connections; for a worker that was drained and never run."""
        await self._queue.close()

    def _rounds(self) -> dict[str, Callable[[], Awaitable[None]]]:
        scheduler = Scheduler(self._queue)
        return {
            "write ends": self._marks.round,
            "heartbeat": self._beat_round,
            "progress": self._progress_round,
            "kept": self._kept_round,
            "schedule": scheduler.round,
            "sweep": self._sweep_round,
        }

    async def _forever(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Repeat a step; when it fails, say so once and try again with back-off."""
        pause = 0.0
        while not (name == "claim" and self._asked_to_stop.is_set()):
            try:
                await step()
                if pause:
                    log.info("works again", part=name)
                pause = 0.0
            except Exception as error:
                if not pause:
                    log.warning("interrupted", part=name, exc_info=None if translated(error) else error)
                pause = min(LONGEST_PAUSE, pause * 2 or 0.1)
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing

    async def _claim_round(self) -> None:
        """Fill the free slots, then wait for a reason to look again."""
        free = self.concurrency - len(self._attempts) - len(self._kept)
        if free <= 0:
            self._slot.clear()
            await self._slot.wait()
            if len(self._attempts) > self.concurrency // 2:
                await asyncio.sleep(GATHER)
            return
        self._wake.clear()
        if await self._claim(free) < free:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), await self._until_due())

    async def _claim(self, limit: int) -> int:
        """Take and start up to `limit` jobs; how many messages were taken."""
        if not self._tasks:
            return 0
        async with self._claiming, connected(self._queue) as connection:
            messages = await self._engine.claim(
                connection, limit=limit, tasks=self._tasks, worker_id=self.id, stale_after=self._stale_after()
            )
            fresh = [message for message in messages if not self._holds(message.job_id)]
            claims, refused = await history.mark_claimed(connection, fresh, self.id) if fresh else ([], [])
            await self._engine.end(connection, [(message, "cancelled") for message in refused])
            for claim in claims:
                self._take(claim)
        self._reached()
        return len(messages)

    def _take(self, claim: Claim) -> None:
        if claim.exhausted:
            self._marks.ended(claim, blamed(claim))
        elif claim.alone:
            self._kept[claim.id] = claim
            self._slot.set()
        else:
            self._start(claim)

    def _start(self, claim: Claim) -> None:
        attempt = Attempt(claim, self._tasks[claim.task], self._database, self._ended, blocked=self._blocked_seconds)
        self._attempts[claim.id] = attempt
        attempt.start()

    def _blocked_seconds(self) -> float:
        return self._watchdog.blocked_seconds

    def _ended(self, attempt: Attempt, outcome: Outcome) -> None:
        self._attempts.pop(attempt.id, None)
        self._marks.ended(attempt.claim, outcome)
        self._slot.set()

    def _holds(self, job_id: UUID) -> bool:
        return job_id in self._attempts or job_id in self._kept or job_id in self._marks

    async def _kept_round(self) -> None:
        await self._start_kept()
        await asyncio.sleep(PROGRESS_EVERY / 5)

    async def _start_kept(self) -> None:
        """Start one job that was lost more than once, unless another such job is running; the least suspect first."""
        if not self._kept or any(attempt.claim.alone for attempt in self._attempts.values()):
            return
        claim = min(self._kept.values(), key=lambda kept: kept.lost)
        async with connected(self._queue) as connection:
            number = await history.mark_started_alone(connection, claim, self.id)
        del self._kept[claim.id]
        if number is not None:
            self._start(replace(claim, attempt=number))
        self._slot.set()

    async def _until_due(self) -> float:
        """Seconds until the next look at the queue."""
        direct = self._database.settings.has_direct_connection
        longest = self._settings.jobs_poll_interval if direct else self._settings.jobs_poll_interval_pooled
        async with connected(self._queue) as connection:
            due = await self._engine.next_due(connection, self._tasks)
        return longest if due is None else min(longest, max(0.01, due.total_seconds()))

    def _stale_after(self) -> timedelta:
        """How old a heartbeat must be; longer for a while after an outage, when nobody could give any."""
        until, longer = self._patience
        extra = longer if time.monotonic() < until else 0
        return timedelta(seconds=self._settings.jobs_redelivery + extra)

    def _reached(self) -> None:
        """The database answered; after a silence, give the other workers time for a heartbeat."""
        now = time.monotonic()
        silence = now - self._reached_at
        if silence > self._settings.jobs_redelivery / 2:
            self._patience = (now + self._settings.jobs_redelivery / 2, silence)
        self._reached_at = now

    async def _beat_round(self) -> None:
        """Report that this worker takes jobs, and stop those that were canceled or that it has lost.

        The heartbeat process renews the claims; once more here, should it not run.
        """
        await presence.seen(self._queue, self)
        async with connected(self._queue) as connection:
            await connection.execute(self._engine.heartbeat_sql(self.id))
            await self._stop_interrupted(connection)
        await self._release_unknown()
        self._reached()
        await asyncio.sleep(self._settings.jobs_redelivery / 4)

    async def _stop_interrupted(self, connection: asyncpg.Connection) -> None:
        running = dict(self._attempts)
        if not running:
            return
        claims = [attempt.claim for attempt in running.values()]
        for job_id, is_ours in (await history.interrupted(connection, claims, self.id)).items():
            running[job_id].stop(Stop.REQUEST if is_ours else Stop.LOST)

    async def _release_unknown(self) -> None:
        """Give back what was claimed by a statement whose reply was lost: heartbeats would renew it without end."""
        async with self._claiming, connected(self._queue) as connection:
            claims = [attempt.claim for attempt in self._attempts.values()] + list(self._kept.values())
            claims += [claim for claim, _ in self._marks.pending.values()]
            released = await self._engine.release_unknown(connection, self.id, [each.message.id for each in claims])
        if released:
            log.warning("claims without a job here were given back", count=released)

    async def _progress_round(self) -> None:
        await asyncio.sleep(PROGRESS_EVERY)
        await self._marks.write_progress(list(self._attempts.values()))

    async def _sweep_round(self) -> None:
        await asyncio.sleep(self._settings.jobs_sweep_interval * random.uniform(0.5, 1))  # noqa: S311
        await sweep(self._database)
        await self._report_stranded()

    async def _report_stranded(self) -> None:
        """Log once for each task whose due jobs no live worker runs: they stay queued for a release that has it."""
        for each in (await health(self._database)).stranded:
            if each.task not in self._reported:
                self._reported.add(each.task)
                log.warning(
                    "jobs wait for a task that no worker runs: start a worker that has it, or cancel them",
                    waiting_task=each.task,
                    queue=each.queue,
                    due=each.due,
                )

    async def _listen(self) -> None:
        settings = self._queue.settings
        if settings.has_direct_connection:
            direct = settings.database_direct_url.get_secret_value()
            url = settings.direct_url if direct else self._database.url
            await self._engine.listen(url, settings, arrived=self._wake.set, cancelled=self._cancelled)
        else:
            log.warning(
                "jobs are polled, not announced: set DATABASE_DIRECT_URL to a way past the pooler",
                seconds=self._settings.jobs_poll_interval_pooled,
            )

    def _cancelled(self, message_id: int) -> None:
        for attempt in list(self._attempts.values()):
            if attempt.claim.message.id == message_id:
                attempt.stop(Stop.REQUEST)

    async def _finish_or_hand_back(self) -> None:
        """Let jobs finish while there is time, give the rest back, and write all ends."""
        deadline = time.monotonic() + self._settings.jobs_stop_timeout
        while self._attempts and not self._hurried.is_set() and (left := deadline - time.monotonic()) > 0:
            self._slot.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._slot.wait(), min(left, 0.1))
        for attempt in list(self._attempts.values()):
            attempt.stop(Stop.SHUTDOWN)
        while self._attempts:
            self._slot.clear()
            await self._slot.wait()
        try:
            async with asyncio.timeout(LAST_WRITES):
                await self._last_writes()
        except Exception as error:
            log.warning("not all ends could be written; those jobs run again", error=type(error).__name__)

    async def _last_writes(self) -> None:
        await self._marks.flush()
        async with connected(self._queue) as connection:
            await self._release_kept(connection)
        self._kept.clear()
        await presence.gone(self._queue, self.id)

    async def _release_kept(self, connection: asyncpg.Connection) -> None:
        await self._engine.release(connection, self.id, [(each.message, timedelta()) for each in self._kept.values()])

    def _loop_blocked(self) -> None:
        """In the watchdog's thread: end the process when it was asked to end and the event loop cannot do it."""
        if time.monotonic() < self._exit_at:
            return
        log.error("a job blocks the event loop at shutdown; its worker hands back what it can and exits")
        try:
            asyncio.run(asyncio.wait_for(self._hand_back_blocked(), LAST_WRITES))
        except Exception as error:
            log.warning("not all jobs could be handed back; they run again", error=type(error).__name__)
        logs.flush()
        os._exit(1)

    async def _hand_back_blocked(self) -> None:
        """Over a connection of its own: those of the pool belong to the blocked event loop."""
        handed_back = Outcome(JobStatus.QUEUED, handed_back=True, delay=EXIT_WITHIN)
        running = [(attempt.claim, handed_back) for attempt in self._attempts.values()]
        connection = await connect(self._database.url, "queue")
        try:
            await self._marks.write(connection, [*self._marks.pending.values(), *running])
            await self._release_kept(connection)
        finally:
            connection.terminate()


def _queue_database(database: Database, connections: int) -> Database:
    """The same database for claims and marks, with the limits of a request. What a crash of the server may lose of
    them only makes a job run again, so nobody waits for the disk.
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
