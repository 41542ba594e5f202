"""Attempts of jobs: their timeout, why they stop, and threads that outlive them."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.jobs import sample_tasks
from tests.jobs.processes import wait_until
from undercroft.core.ids import new_id
from undercroft.jobs import task
from undercroft.jobs.engines import QueueMessage
from undercroft.jobs.execution import EXIT_TIMEOUT, ClaimedJob, JobAttempt, JobOutcome, StopReason, _run_in_thread
from undercroft.jobs.models import JobStatus

begun, ended = threading.Event(), threading.Event()


@task(timeout=600)
def occupy_thread() -> str:
    begun.set()
    ended.wait(60)
    return "late"


@pytest.fixture(autouse=True)
def reset() -> None:
    sample_tasks.done.clear()
    begun.clear()
    ended.clear()


@pytest.fixture
def outcomes() -> list[JobOutcome]:
    return []


@pytest.fixture
def make(outcomes: list[JobOutcome]) -> Callable[..., JobAttempt]:
    """A function that starts an attempt of a task; its outcome is appended to `outcomes`."""

    def start(declared: Any, **options: Any) -> JobAttempt:
        job_id = new_id()
        claim = ClaimedJob(
            id=job_id, task=declared.name, queue=declared.queue, args={}, attempt=1, max_attempts=1, key=None,
            request_id=None, lost=0, exhausted=False, alone=False, message=QueueMessage(1, job_id, None),
        )  # fmt: skip
        database = cast(Any, None)  # the tasks do not use it
        attempt = JobAttempt(claim, declared, database, lambda _attempt, outcome: outcomes.append(outcome), **options)
        attempt.start()
        return attempt

    return start


async def wait_for_one(things: list[Any]) -> None:
    async def exists() -> bool:
        return bool(things)

    await wait_until(exists)


async def let_callbacks_run() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_time_in_which_the_event_loop_was_blocked_extends_the_timeout_once(
    make: Callable[..., JobAttempt], outcomes: list[JobOutcome]
) -> None:
    loop = asyncio.get_running_loop()
    started_at, calls = loop.time(), list[float]()

    def blocked() -> float:
        """Nothing at the start, as long as the attempt at its first timeout, and nothing more afterwards."""
        calls.append(loop.time() - started_at + 0.01 if len(calls) == 1 else 0)
        return calls[-1]

    make(sample_tasks.hang, blocked=blocked)
    await wait_for_one(outcomes)

    assert (len(calls), outcomes[0].status) == (3, JobStatus.FAILED)
    assert "longer than 0.1 s" in (outcomes[0].error or "")


@pytest.mark.parametrize(
    ("reasons", "status", "handed_back"),
    [
        ([StopReason.REQUEST, StopReason.LOST], JobStatus.CANCELED, False),
        ([StopReason.LOST, StopReason.REQUEST], JobStatus.QUEUED, True),
        ([StopReason.TIMEOUT, StopReason.REQUEST], JobStatus.FAILED, False),
        ([StopReason.TIMEOUT, StopReason.SHUTDOWN], JobStatus.QUEUED, True),
    ],
    ids=lambda value: "-".join(each.name for each in value) if isinstance(value, list) else None,
)
async def test_first_reason_to_stop_counts_unless_the_worker_stops(
    make: Callable[..., JobAttempt],
    outcomes: list[JobOutcome],
    reasons: list[StopReason],
    status: JobStatus,
    handed_back: bool,
) -> None:
    attempt = make(sample_tasks.wait_long)
    await wait_for_one(sample_tasks.done)
    for reason in reasons:
        attempt.stop(reason)
    await wait_for_one(outcomes)

    assert [(each.status, each.handed_back) for each in outcomes] == [(status, handed_back)]


async def test_attempt_that_has_ended_cannot_be_stopped(
    make: Callable[..., JobAttempt], outcomes: list[JobOutcome]
) -> None:
    ended.set()
    attempt = make(occupy_thread)
    await wait_for_one(outcomes)
    attempt.stop(StopReason.REQUEST)
    await let_callbacks_run()

    assert [each.status for each in outcomes] == [JobStatus.SUCCEEDED]
    assert attempt.unresponsive_reason is None


async def test_thread_is_released_once_when_the_worker_stops(
    make: Callable[..., JobAttempt], outcomes: list[JobOutcome]
) -> None:
    attempt = make(occupy_thread)
    await asyncio.to_thread(begun.wait, 60)
    attempt.stop(StopReason.SHUTDOWN)
    await wait_for_one(outcomes)
    ended.set()
    assert attempt._running
    await asyncio.wait({attempt._running}, timeout=60)

    released = JobOutcome(JobStatus.QUEUED, handed_back=True, delay=EXIT_TIMEOUT)
    assert (attempt._running.done(), outcomes) == (True, [released])


@pytest.mark.parametrize("fails", [False, True])
async def test_result_of_a_thread_that_nothing_awaits_is_ignored(fails: bool) -> None:
    loop, errors, threads = asyncio.get_running_loop(), list[Any](), list[threading.Thread]()

    def occupy() -> None:
        threads.append(threading.current_thread())
        occupy_thread()
        if fails:
            raise ValueError("late")

    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    try:
        running = asyncio.create_task(_run_in_thread(occupy, {}))
        await asyncio.sleep(0)
        await asyncio.to_thread(begun.wait, 60)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        ended.set()
        await asyncio.to_thread(threads[0].join, 60)
        await let_callbacks_run()
    finally:
        loop.set_exception_handler(None)

    assert (running.cancelled(), threads[0].is_alive(), errors) == (True, False, [])


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (StopReason.REQUEST, JobStatus.CANCELED),
        (StopReason.LOST, JobStatus.QUEUED),
        (StopReason.SHUTDOWN, JobStatus.QUEUED),
    ],
)
async def test_attempt_that_is_stopped_before_its_first_step_ends_without_running(
    make: Callable[..., JobAttempt], outcomes: list[JobOutcome], reason: StopReason, status: JobStatus
) -> None:
    make(sample_tasks.note).stop(reason)
    await wait_for_one(outcomes)
    await let_callbacks_run()
    assert [outcome.status for outcome in outcomes] == [status]
    assert sample_tasks.done == []
