"""One attempt at a job: its context, its time limit, and what comes of it."""

import asyncio
import contextvars
import inspect
import threading
import traceback
from collections.abc import Callable
from enum import Enum
from typing import Any
from uuid import UUID

import structlog

from undercroft.core.audit import Actor, ActorKind, act_as
from undercroft.core.db.session import Database
from undercroft.core.errors import PermanentError
from undercroft.core.telemetry.redaction import clean_text
from undercroft.jobs.arguments import storable
from undercroft.jobs.context import CurrentJob, Progress, clean, current
from undercroft.jobs.history import Claim, Outcome
from undercroft.jobs.models import JobStatus
from undercroft.jobs.registry import Task

log = structlog.get_logger("undercroft.application")

ERROR_LIMIT = 50_000
RESULT_LIMIT = 100_000
GRACE = 5.0
"""Seconds that a cancelled task gets to clean up before the worker stops waiting for it."""


class Stop(Enum):
    """Why the worker, and not the task itself, ended an attempt."""

    TIMEOUT = "timeout"
    REQUEST = "request"
    SHUTDOWN = "shutdown"


class Attempt:
    """A job being run. `ended` is called exactly once with the outcome, even if the task refuses to stop."""

    def __init__(
        self, claim: Claim, task: Task[..., Any], database: Database, ended: Callable[["Attempt", Outcome], None]
    ) -> None:
        self.claim = claim
        self.progress = Progress()
        self._task = task
        self._database = database
        self._ended = ended
        self._stop: Stop | None = None
        self._over = False
        self._running: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def id(self) -> UUID:
        return self.claim.id

    def start(self) -> None:
        """Run it on the loop, in a context of its own."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._task.timeout, self.stop, Stop.TIMEOUT)
        self._running = loop.create_task(self._run(), name=f"job {self.claim.task}")

    def stop(self, why: Stop) -> None:
        """Cancel it; a task that does not end soon after is left to itself and counts as ended."""
        if self._over or self._running is None or self._stop is not None:
            return
        self._stop = why
        self._running.cancel()
        grace = 0.2 if why is Stop.SHUTDOWN else GRACE
        self._timer = self._replaced_timer(asyncio.get_running_loop().call_later(grace, self._abandon))

    def _replaced_timer(self, timer: asyncio.TimerHandle) -> asyncio.TimerHandle:
        if self._timer is not None:
            self._timer.cancel()
        return timer

    def _abandon(self) -> None:
        if not self._over:
            log.error("task does not stop when it is cancelled", task=self.claim.task, job=str(self.id))
            self._finish(self._stopped())

    async def _run(self) -> None:
        try:
            outcome = await self._outcome()
        except BaseException as error:
            outcome = self._stopped() if self._stop is not None else self._failed(error)
        self._finish(outcome)

    async def _outcome(self) -> Outcome:
        job = self._current()
        current.set(job)
        act_as(Actor(ActorKind.JOB, job_id=job.id))
        bind_log_context(job)
        arguments = self._task.arguments.decode(self.claim.args, job)
        value = await _call(self._task.function, arguments)
        if self._stop is Stop.TIMEOUT:
            return self._stopped()
        return self._succeeded(value)

    def _current(self) -> CurrentJob:
        claim = self.claim
        return CurrentJob(
            claim.id,
            claim.task,
            claim.queue,
            claim.attempt,
            claim.max_attempts,
            claim.key,
            claim.request_id,
            self._database,
            self.progress,
        )

    def _finish(self, outcome: Outcome) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._ended(self, outcome)

    def _succeeded(self, value: Any) -> Outcome:
        try:
            result = storable(value, RESULT_LIMIT)
        except ValueError as error:
            log.error("result not stored", reason=str(error))
            result = None
        return Outcome(JobStatus.SUCCEEDED, result=result, progress=None if self.progress.fraction is None else 1)

    def _stopped(self) -> Outcome:
        match self._stop:
            case Stop.REQUEST:
                return Outcome(JobStatus.CANCELLED)
            case Stop.SHUTDOWN:
                return Outcome(JobStatus.QUEUED, handed_back=True)
            case _:
                return self._retried(f"TimeoutError: it took longer than {self._task.timeout:g} s and was cancelled.")

    def _failed(self, error: BaseException) -> Outcome:
        text = clean(clean_text("".join(traceback.format_exception(error))), ERROR_LIMIT)
        log.warning("job failed", task=self.claim.task, attempt=self.claim.attempt, exc_info=error)
        if isinstance(error, PermanentError):
            return Outcome(JobStatus.FAILED, error=text)
        return self._retried(text)

    def _retried(self, error: str) -> Outcome:
        if self.claim.attempt >= self.claim.max_attempts:
            status, delay = JobStatus.FAILED, 0.0
        else:
            status, delay = JobStatus.QUEUED, self._task.backoff.delay(self.claim.attempt)
        return Outcome(status, error=error, delay=delay, progress=self.progress.fraction, message=self.progress.message)


def blamed(claim: Claim) -> Outcome:
    """The end of a job whose worker died at every attempt."""
    return Outcome(
        JobStatus.FAILED,
        error=f"WorkerDied: the worker that ran {claim.task} died or lost its connection in the middle of it, "
        f"at the last of {claim.attempt} attempts too. There is no traceback: nothing was left to write one.",
    )


def bind_log_context(job: CurrentJob) -> None:
    """Mark every log line of the task with its job and the request that enqueued it."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(job=f"[{str(job.id)[:8]}]", job_id=str(job.id), task=job.task)
    if job.request_id:
        structlog.contextvars.bind_contextvars(request_id=job.request_id)


async def _call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**arguments)
    return await _in_thread(function, arguments)


async def _in_thread(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Run in a daemon thread: one that hangs keeps neither the loop nor the end of the process waiting."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))

    def work() -> None:
        result, fault = None, None
        try:
            result = context.run(function, **arguments)
        except BaseException as error:
            fault = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, fault)

    threading.Thread(target=work, name=f"job {function.__name__}", daemon=True).start()
    return await future
