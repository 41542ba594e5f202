"""One attempt of a job: its context, timeout and outcome."""

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
from msgspec import Struct
from msgspec.structs import replace

from undercroft.core.audit import Actor, ActorKind, set_current_actor
from undercroft.core.db import Database
from undercroft.core.errors import PermanentError
from undercroft.core.telemetry.redaction import clean_text
from undercroft.jobs.arguments import encode_result
from undercroft.jobs.context import CurrentJob, Progress, current, sanitize_text
from undercroft.jobs.engines import QueueMessage
from undercroft.jobs.models import JobStatus
from undercroft.jobs.registry import Task

log = structlog.get_logger("undercroft.application")

ERROR_LIMIT = 50_000
RESULT_LIMIT = 100_000
CANCEL_GRACE = 5.0
"""Seconds for a canceled task to clean up before it is reported as unresponsive."""

SHUTDOWN_GRACE = 0.2
EXIT_TIMEOUT = 5.0
"""Seconds within which a worker exits after it released the job of an unresponsive task."""


class ClaimedJob(Struct, frozen=True):
    """A job claimed by this worker. `exhausted`: its worker died too often. `alone`: run only one such job at once."""

    id: UUID
    task: str
    queue: str
    args: dict[str, Any]
    attempt: int
    max_attempts: int
    key: str | None
    request_id: str | None
    lost: int
    exhausted: bool
    alone: bool
    message: QueueMessage


class JobOutcome(Struct, frozen=True):
    """The result of an attempt. With QUEUED, the job runs again after `delay` seconds; with `handed_back`, this attempt
    does not count.
    """

    status: JobStatus
    result: str | None = None
    error: str | None = None
    delay: float = 0
    handed_back: bool = False
    progress: float | None = None
    message: str | None = None


class StopReason(Enum):
    """The reason why the worker stopped an attempt, as a message."""

    TIMEOUT = "TimeoutError: the task took longer than its timeout."
    REQUEST = "The job was canceled."
    LOST = "Another worker has claimed the job."
    SHUTDOWN = "The worker is stopping."


class JobAttempt:
    """A running job. `on_end` is called exactly once with the outcome, after the task has ended.

    A task that does not stop (in a thread, or ignoring its cancellation) keeps its slot until it or the worker ends, so
    that the job never runs twice at the same time. If it finishes after all, its result counts, as with
    `asyncio.timeout`. `blocked` returns for how many seconds the event loop has been blocked so far; this time does not
    count toward the timeout.
    """

    def __init__(
        self,
        claim: ClaimedJob,
        task: Task[..., Any],
        database: Database,
        on_end: Callable[["JobAttempt", JobOutcome], None],
        *,
        blocked: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.claim = claim
        self.progress = Progress()
        self.unresponsive_reason: str | None = None
        """The reason why it does not stop, until it has been written to the job's row."""
        self._task = task
        self._database = database
        self._on_end = on_end
        self._blocked = blocked
        self._stop_reason: StopReason | None = None
        self._finished = False
        self._running: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def id(self) -> UUID:
        return self.claim.id

    def start(self) -> None:
        """Run the task on the event loop, in a new context."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._task.timeout - self._blocked()
        self._timer = loop.call_later(self._task.timeout, self._time_out, deadline)
        self._running = loop.create_task(self._run(), name=f"job {self.claim.task} {self.id}")
        # A task that is canceled before its first step never runs.
        self._running.add_done_callback(lambda _: self._finish(self._stop_outcome()))

    def _time_out(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        if (left := deadline + self._blocked() - loop.time()) > 0:
            self._timer = loop.call_later(left, self._time_out, deadline)
        else:
            self.stop(StopReason.TIMEOUT)

    def stop(self, reason: StopReason) -> None:
        """Cancel the task, unless it runs in a thread. After a first call, only SHUTDOWN has an effect."""
        if (
            self._finished
            or self._running is None
            or (self._stop_reason is not None and reason is not StopReason.SHUTDOWN)
        ):
            return
        self._stop_reason = reason
        grace = SHUTDOWN_GRACE if reason is StopReason.SHUTDOWN else CANCEL_GRACE
        if self._runs_in_thread:
            grace = 0
        else:
            self._running.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(grace, self._report_unresponsive)

    @property
    def _runs_in_thread(self) -> bool:
        return not inspect.iscoroutinefunction(self._task.function)

    def _report_unresponsive(self) -> None:
        """Report a task that has not stopped. At shutdown, finish it; the remaining code ends with the process."""
        how = "runs in a thread, which cannot be canceled" if self._runs_in_thread else "ignores cancellation"
        log.error("job.unresponsive", task=self.claim.task, job=str(self.id), reason=self._stop_message(), how=how)
        if self._stop_reason is StopReason.SHUTDOWN:
            self._finish(replace(self._stop_outcome(), delay=EXIT_TIMEOUT))
        else:
            self.unresponsive_reason = (
                f"{self._stop_message()} The task {how}. The job occupies its slot and is not retried until it ends."
            )

    def _stop_message(self) -> str:
        if self._stop_reason in (StopReason.TIMEOUT, None):
            return f"TimeoutError: the task took longer than {self._task.timeout:g} s."
        return str(self._stop_reason.value)

    async def _run(self) -> None:
        try:
            outcome = await self._run_task()
        except BaseException as error:
            was_canceled = self._stop_reason is not None and (
                self._stop_reason is not StopReason.TIMEOUT or isinstance(error, asyncio.CancelledError)
            )
            outcome = self._stop_outcome() if was_canceled else self._failure_outcome(error)
        self._finish(outcome)

    async def _run_task(self) -> JobOutcome:
        claim = self.claim
        job = CurrentJob(
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
        current.set(job)
        set_current_actor(Actor(ActorKind.JOB, job_id=job.id))
        bind_log_context(job)
        arguments = self._task.arguments.decode(claim.args, job)
        if self._runs_in_thread:
            return self._success_outcome(await _run_in_thread(self._task.function, arguments))
        return self._success_outcome(await self._task.function(**arguments))

    def _finish(self, outcome: JobOutcome) -> None:
        if self._finished:
            return
        self._finished = True
        if self._timer is not None:
            self._timer.cancel()
        self._on_end(self, outcome)

    def _success_outcome(self, value: Any) -> JobOutcome:
        try:
            result = encode_result(value, RESULT_LIMIT)
        except ValueError as error:
            log.error("job.result_not_stored", reason=str(error))
            result = None
        return JobOutcome(JobStatus.SUCCEEDED, result=result, progress=None if self.progress.fraction is None else 1)

    def _stop_outcome(self) -> JobOutcome:
        match self._stop_reason:
            case StopReason.REQUEST:
                return JobOutcome(JobStatus.CANCELED)
            case StopReason.SHUTDOWN | StopReason.LOST:
                return JobOutcome(JobStatus.QUEUED, handed_back=True)
            case _:
                return self._retry_outcome(f"{self._stop_message()} It was canceled.")

    def _failure_outcome(self, error: BaseException) -> JobOutcome:
        text = sanitize_text(clean_text("".join(traceback.format_exception(error))), ERROR_LIMIT)
        log.warning("job.failed", task=self.claim.task, attempt=self.claim.attempt, exc_info=error)
        if isinstance(error, PermanentError):
            return JobOutcome(JobStatus.FAILED, error=text)
        return self._retry_outcome(text)

    def _retry_outcome(self, error: str) -> JobOutcome:
        if self.claim.attempt >= self.claim.max_attempts:
            status, delay = JobStatus.FAILED, 0.0
        else:
            status, delay = JobStatus.QUEUED, self._task.backoff.delay(self.claim.attempt)
        return JobOutcome(
            status, error=error, delay=delay, progress=self.progress.fraction, message=self.progress.message
        )


def worker_died_outcome(claim: ClaimedJob) -> JobOutcome:
    """Return the outcome of a job that ended with its worker too often."""
    return JobOutcome(
        JobStatus.FAILED,
        error=f"WorkerDied: the worker died or lost its connection while it was running {claim.task}, "
        f"also at the last of {claim.attempt} attempts. There is no traceback.",
    )


def bind_log_context(job: CurrentJob) -> None:
    """Add the job and the request that enqueued it to all log lines of the task."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(job=f"[{str(job.id)[:8]}]", job_id=str(job.id), task=job.task)
    if job.request_id:
        structlog.contextvars.bind_contextvars(request_id=job.request_id)


async def _run_in_thread(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Run a function in a daemon thread, so that a hanging one blocks neither the event loop nor the shutdown."""
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
        result, raised = None, None
        try:
            result = context.run(function, **arguments)
        except BaseException as error:
            raised = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, raised)

    threading.Thread(target=work, name=f"job {function.__name__}", daemon=True).start()
    return await future
