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
from msgspec.structs import replace

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
"""Seconds that a canceled task gets to clean up before it is reported as one that does not stop."""

SHUTDOWN_GRACE = 0.2
EXIT_WITHIN = 5.0
"""Seconds within which a worker has ended after it handed back a task that does not stop."""


class Stop(Enum):
    """Why the worker, and not the task itself, ended an attempt."""

    TIMEOUT = "timeout"
    REQUEST = "request"
    LOST = "lost"
    SHUTDOWN = "shutdown"


class Attempt:
    """A job being run. `ended` is called exactly once with the outcome, when the task has really ended.

    A task that does not stop (one in a thread, or one that ignores its cancellation) keeps its
    place, so that the job never runs twice at once, until it ends or the worker does. As with `asyncio.timeout`, what
    it returns then counts: its work was done. `blocked` says how long the event loop has been blocked so far; other
    jobs' time does not count against a timeout.
    """

    def __init__(
        self,
        claim: Claim,
        task: Task[..., Any],
        database: Database,
        ended: Callable[["Attempt", Outcome], None],
        *,
        blocked: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.claim = claim
        self.progress = Progress()
        self.unreported: str | None = None
        """Why it does not stop, until that is written to its row."""
        self._task = task
        self._database = database
        self._ended = ended
        self._blocked = blocked
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
        deadline = loop.time() + self._task.timeout - self._blocked()
        self._timer = loop.call_later(self._task.timeout, self._time_out, deadline)
        self._running = loop.create_task(self._run(), name=f"job {self.claim.task} {self.id}")

    def _time_out(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        if (left := deadline + self._blocked() - loop.time()) > 0:
            self._timer = loop.call_later(left, self._time_out, deadline)
        else:
            self.stop(Stop.TIMEOUT)

    def stop(self, why: Stop) -> None:
        """Cancel it, unless it runs in a thread. Only the end of the worker is a reason to stop it once more."""
        if self._over or self._running is None or (self._stop is not None and why is not Stop.SHUTDOWN):
            return
        self._stop = why
        grace = SHUTDOWN_GRACE if why is Stop.SHUTDOWN else GRACE
        if self._in_thread:
            grace = 0
        else:
            self._running.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(grace, self._not_stopped)

    @property
    def _in_thread(self) -> bool:
        return not inspect.iscoroutinefunction(self._task.function)

    def _not_stopped(self) -> None:
        """It was to stop and has not. When the worker ends, what is left of it ends with the process a little later."""
        if self._over:
            return
        how = "runs in a thread, which cannot be canceled" if self._in_thread else "ignores its cancellation"
        log.error("task does not stop", task=self.claim.task, job=str(self.id), reason=self._why(), how=how)
        if self._stop is Stop.SHUTDOWN:
            self._finish(replace(self._stopped(), delay=EXIT_WITHIN))
        else:
            self.unreported = f"{self._why()} It {how}: the job keeps its slot and does not run again before it ends."

    def _why(self) -> str:
        match self._stop:
            case Stop.REQUEST:
                return "It was asked to stop."
            case Stop.LOST:
                return "The job was given to another worker."
            case Stop.SHUTDOWN:
                return "The worker is stopping."
            case _:
                return f"TimeoutError: it took longer than {self._task.timeout:g} s."

    async def _run(self) -> None:
        try:
            outcome = await self._outcome()
        except BaseException as error:
            timed_out_by_itself = self._stop is Stop.TIMEOUT and not isinstance(error, asyncio.CancelledError)
            outcome = self._failed(error) if self._stop is None or timed_out_by_itself else self._stopped()
        self._finish(outcome)

    async def _outcome(self) -> Outcome:
        job = self._current()
        current.set(job)
        act_as(Actor(ActorKind.JOB, job_id=job.id))
        bind_log_context(job)
        arguments = self._task.arguments.decode(self.claim.args, job)
        return self._succeeded(await _call(self._task.function, arguments))

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
            case Stop.SHUTDOWN | Stop.LOST:
                return Outcome(JobStatus.QUEUED, handed_back=True)
            case _:
                return self._retried(f"{self._why()} It was canceled.")

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
