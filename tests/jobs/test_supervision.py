"""A job that blocks, exceeds its timeout or ignores its cancellation runs once, and so do concurrent jobs."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.jobs import unresponsive_tasks
from tests.jobs.processes import WorkerProcesses, running_worker, wait_until
from tests.jobs.unresponsive_tasks import has_started, start_counts, traced_events
from undercroft.core.db import Database
from undercroft.jobs import Job, enqueue
from undercroft.jobs.control import cancel
from undercroft.testing.jobs import CapturedJobs


@pytest.fixture
async def workers(database_url: str) -> AsyncIterator[WorkerProcesses]:
    workers = WorkerProcesses(database_url)
    yield workers
    await workers.end()


@pytest.fixture(autouse=True)
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACES", str(tmp_path / "traces"))


async def enqueue_job(database: Database, task: Any, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def fetchval(database: Database, sql: str, *values: Any) -> Any:
    async with database.session() as session:
        return await (await session.raw()).fetchval(sql, *values)


async def has_status(jobs: CapturedJobs, job: Job, *statuses: str) -> bool:
    return (await jobs.get(job.id)).status in statuses


async def is_unresponsive(jobs: CapturedJobs, job: Job) -> bool:
    return (await jobs.get(job.id)).unresponsive_since is not None


@pytest.mark.parametrize(
    ("task", "arguments"),
    [(unresponsive_tasks.block_loop, {"seconds": 4}), (unresponsive_tasks.block_interpreter, {"size": 400_000_000})],
    ids=["event loop", "interpreter"],
)
async def test_blocking_job_and_concurrent_jobs_run_once_beside_an_idle_worker(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses, task: Any, arguments: dict[str, Any]
) -> None:
    neighbors = [await enqueue_job(database, unresponsive_tasks.neighbor, n=n, priority=1) for n in range(1, 5)]
    blocking = await enqueue_job(database, task, n=0, **arguments)
    await workers.start()
    await wait_until(lambda: has_started(0))
    await workers.start()
    for job in (blocking, *neighbors):
        await wait_until(lambda job=job: has_status(jobs, job, "succeeded", "failed"))
    rows = [await jobs.get(job.id) for job in (blocking, *neighbors)]
    assert [(row.status, row.attempts, row.lost, row.error) for row in rows] == [("succeeded", 1, 0, None)] * 5
    assert start_counts() == dict.fromkeys(range(5), 1)


@pytest.mark.parametrize(
    ("task", "how"),
    [
        (unresponsive_tasks.sleep_in_thread, "runs in a thread"),
        (unresponsive_tasks.ignore_cancellation, "ignores cancellation"),
    ],
)
async def test_unresponsive_task_is_reported_after_its_timeout_and_runs_once(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses, task: Any, how: str
) -> None:
    job = await enqueue_job(database, task, n=0, seconds=8)
    await workers.start()
    await workers.start()
    await wait_until(lambda: is_unresponsive(jobs, job))
    row = await jobs.get(job.id)
    assert (row.status, row.attempts) == ("running", 1)
    assert "took longer than 0.3 s" in (row.error or "")
    assert how in (row.error or "")
    await wait_until(lambda: has_status(jobs, job, "succeeded", "failed"))
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost) == ("succeeded", 1, 0)
    assert (row.result, row.error, row.unresponsive_since) == ("done", None, None)
    assert start_counts() == {0: 1}


async def test_thread_that_fails_after_its_timeout_is_retried_only_after_its_end(
    database: Database, jobs: CapturedJobs
) -> None:
    job = await enqueue_job(database, unresponsive_tasks.sleep_in_thread, n=0, seconds=0.6, fails=True)
    async with running_worker(database):
        await wait_until(lambda: has_status(jobs, job, "failed"))
    row = await jobs.get(job.id)
    assert (row.attempts, start_counts()) == (4, {0: 4})
    assert "ValueError: too late" in (row.error or "")
    begun, ended = (sorted(at for _, at in traced_events(name)) for name in ("start", "end"))
    assert all(end < begin for end, begin in zip(ended, begun[1:], strict=False))


async def test_unresponsive_task_occupies_its_slot(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, unresponsive_tasks.sleep_in_thread, n=0, seconds=1.5)
    waiting = await enqueue_job(database, unresponsive_tasks.neighbor, n=1, priority=-1)
    async with running_worker(database, concurrency=1):
        await wait_until(lambda: is_unresponsive(jobs, job))
        assert await has_status(jobs, waiting, "queued")
        await wait_until(lambda: has_status(jobs, waiting, "succeeded"))
    assert traced_events("end")[0][1] <= traced_events("start")[1][1]


async def test_canceled_thread_runs_to_its_end_and_is_reported(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, unresponsive_tasks.sleep_in_thread, n=0, seconds=1.5, fails=True)
    async with running_worker(database):
        await wait_until(lambda: has_started(0))
        async with database.session() as session:
            await cancel(session, job.id)
        await wait_until(lambda: has_status(jobs, job, "canceled"))
    row = await jobs.get(job.id)
    assert (row.attempts, row.unresponsive_since, start_counts()) == (1, None, {0: 1})
    assert len(traced_events("end")) == 1


async def test_blocked_event_loop_is_reported_once_with_task_and_stack(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, unresponsive_tasks.block_loop, n=0, seconds=3.5)
    with structlog.testing.capture_logs() as logs:
        async with running_worker(database):
            await wait_until(lambda: has_status(jobs, job, "succeeded"))
    (blocked,) = [each for each in logs if each["event"].startswith("event_loop.blocked")]
    assert blocked["blocking"] == f"job unresponsive_tasks.block_loop {job.id}"
    assert "time.sleep(seconds)" in blocked["stack"]
    assert blocked["blocked_for"] >= 2
    assert [each["event"] for each in logs if each["event"] == "event_loop.recovered"] == ["event_loop.recovered"]


async def test_event_loop_blocked_by_a_callback_is_reported_and_watched_further(database: Database) -> None:
    with structlog.testing.capture_logs() as logs:

        async def has_recovered(times: int) -> bool:
            return [each["event"] for each in logs].count("event_loop.recovered") == times

        async with running_worker(database):
            for times in (1, 2):
                asyncio.get_running_loop().call_soon(time.sleep, 3)
                await wait_until(lambda times=times: has_recovered(times))
    blocked = [each for each in logs if each["event"] == "event_loop.blocked"]
    assert [each["blocking"] for each in blocked] == [None, None]


@pytest.mark.parametrize("task", [unresponsive_tasks.sleep_in_thread, unresponsive_tasks.ignore_cancellation])
async def test_worker_with_an_unresponsive_task_exits_and_releases_the_job(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses, task: Any
) -> None:
    job = await enqueue_job(database, task, n=0, seconds=3600)
    worker = await workers.start()
    await wait_until(lambda: has_started(0))
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(worker.wait(), 60) == 0
    ended_at = time.monotonic()
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost, row.unresponsive_since) == ("queued", 0, 0, None)
    await workers.start()
    await wait_until(lambda: started_again(0))
    assert traced_events("start")[1][1] > ended_at


async def started_again(n: int) -> bool:
    return start_counts()[n] == 2


async def test_worker_with_a_blocked_event_loop_exits_at_sigterm_and_releases_its_jobs(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    neighbor = await enqueue_job(database, unresponsive_tasks.wait_until_canceled, n=1, priority=1)
    blocking = await enqueue_job(database, unresponsive_tasks.block_loop, n=0, seconds=3600)
    worker = await workers.start()
    await wait_until(lambda: has_started(0))
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(worker.wait(), 60) == 1
    ended_at = time.monotonic()
    for job in (neighbor, blocking):
        row = await jobs.get(job.id)
        assert (row.status, row.attempts, row.lost) == ("queued", 0, 0)
    await workers.start()
    await wait_until(lambda: started_again(0))
    assert start_counts() == {0: 2, 1: 2}
    assert min(at for _, at in traced_events("start")[2:]) > ended_at


async def test_attempt_stops_when_another_worker_claims_the_job(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, unresponsive_tasks.wait_until_canceled, n=0)
    other = await enqueue_job(database, unresponsive_tasks.wait_until_canceled, n=1)

    async def has_ended(n: int) -> bool:
        return n in dict(traced_events("end"))

    async with running_worker(database):
        await wait_until(lambda: has_started(1))
        await wait_until(lambda: has_started(0))
        await fetchval(database, "UPDATE jobs SET worker_id = gen_random_uuid() WHERE id = $1", job.id)
        await wait_until(lambda: has_ended(0))
        assert not await has_ended(1)
        assert await has_status(jobs, other, "running")
    assert await has_status(jobs, job, "running")


async def test_heartbeat_process_ends_when_its_worker_is_killed(database: Database, workers: WorkerProcesses) -> None:
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"

    async def has_connections(number: int) -> bool:
        return await fetchval(database, count, "undercroft heartbeat") == number

    worker = await workers.start()
    await wait_until(lambda: has_connections(1))
    worker.kill()
    await wait_until(lambda: has_connections(0))


async def test_terminated_heartbeat_connection_is_reopened(database: Database, workers: WorkerProcesses) -> None:
    pids = (
        "SELECT array_agg(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'undercroft heartbeat'"
    )

    async def is_another(than: list[int] | None) -> bool:
        return await fetchval(database, pids) not in (than, None)

    await workers.start()
    await wait_until(lambda: is_another(None))
    first = await fetchval(database, pids)
    await fetchval(database, "SELECT pg_terminate_backend($1)", first[0])
    await wait_until(lambda: is_another(first))
