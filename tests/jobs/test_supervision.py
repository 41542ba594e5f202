"""A job that blocks, outlasts its timeout or ignores its cancellation runs once, and so do its neighbors."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.jobs import stubborn
from tests.jobs.processes import Workers, eventually, working
from tests.jobs.stubborn import events, started, starts
from undercroft.core.db import Database
from undercroft.jobs import Job, enqueue
from undercroft.jobs.control import cancel
from undercroft.testing.jobs import JobsInTest


@pytest.fixture
async def workers(database_url: str) -> AsyncIterator[Workers]:
    workers = Workers(database_url)
    yield workers
    await workers.end()


@pytest.fixture(autouse=True)
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACES", str(tmp_path / "traces"))


async def enqueued(database: Database, task: Any, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def fetchval(database: Database, sql: str, *values: Any) -> Any:
    async with database.session() as session:
        return await (await session.raw()).fetchval(sql, *values)


async def has(jobs: JobsInTest, job: Job, *statuses: str) -> bool:
    return (await jobs.get(job.id)).status in statuses


async def is_unresponsive(jobs: JobsInTest, job: Job) -> bool:
    return (await jobs.get(job.id)).unresponsive_since is not None


@pytest.mark.parametrize(
    ("task", "arguments"),
    [(stubborn.block_loop, {"seconds": 4}), (stubborn.block_interpreter, {"size": 400_000_000})],
    ids=["event loop", "interpreter"],
)
async def test_blocking_job_and_its_neighbors_run_once_beside_an_idle_worker(
    database: Database, jobs: JobsInTest, workers: Workers, task: Any, arguments: dict[str, Any]
) -> None:
    neighbors = [await enqueued(database, stubborn.neighbor, n=n, priority=1) for n in range(1, 5)]
    blocking = await enqueued(database, task, n=0, **arguments)
    await workers.start()
    await eventually(lambda: started(0))
    await workers.start()
    for job in (blocking, *neighbors):
        await eventually(lambda job=job: has(jobs, job, "succeeded", "failed"))
    rows = [await jobs.get(job.id) for job in (blocking, *neighbors)]
    assert [(row.status, row.attempts, row.lost, row.error) for row in rows] == [("succeeded", 1, 0, None)] * 5
    assert starts() == dict.fromkeys(range(5), 1)


@pytest.mark.parametrize(
    ("task", "how"),
    [(stubborn.sleep_in_thread, "runs in a thread"), (stubborn.ignore_cancellation, "ignores its cancellation")],
)
async def test_task_that_outlasts_its_timeout_is_reported_and_runs_once(
    database: Database, jobs: JobsInTest, workers: Workers, task: Any, how: str
) -> None:
    job = await enqueued(database, task, n=0, seconds=8)
    await workers.start()
    await workers.start()
    await eventually(lambda: is_unresponsive(jobs, job))
    row = await jobs.get(job.id)
    assert (row.status, row.attempts) == ("running", 1)
    assert "took longer than 0.3 s" in (row.error or "")
    assert how in (row.error or "")
    await eventually(lambda: has(jobs, job, "succeeded", "failed"))
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost) == ("succeeded", 1, 0)
    assert (row.result, row.error, row.unresponsive_since) == ("done", None, None)
    assert starts() == {0: 1}


async def test_thread_that_fails_after_its_timeout_is_retried_only_after_it_ended(
    database: Database, jobs: JobsInTest
) -> None:
    job = await enqueued(database, stubborn.sleep_in_thread, n=0, seconds=0.6, fails=True)
    async with working(database):
        await eventually(lambda: has(jobs, job, "failed"))
    row = await jobs.get(job.id)
    assert (row.attempts, starts()) == (4, {0: 4})
    assert "ValueError: too late" in (row.error or "")
    begun, ended = (sorted(at for _, at in events(name)) for name in ("start", "end"))
    assert all(end < begin for end, begin in zip(ended, begun[1:], strict=False))


async def test_unresponsive_task_keeps_its_slot(database: Database, jobs: JobsInTest) -> None:
    job = await enqueued(database, stubborn.sleep_in_thread, n=0, seconds=1.5)
    waiting = await enqueued(database, stubborn.neighbor, n=1, priority=-1)
    async with working(database, concurrency=1):
        await eventually(lambda: is_unresponsive(jobs, job))
        assert await has(jobs, waiting, "queued")
        await eventually(lambda: has(jobs, waiting, "succeeded"))
    assert events("end")[0][1] <= events("start")[1][1]


async def test_canceled_thread_runs_to_its_end_and_is_reported(database: Database, jobs: JobsInTest) -> None:
    job = await enqueued(database, stubborn.sleep_in_thread, n=0, seconds=1.5, fails=True)
    async with working(database):
        await eventually(lambda: started(0))
        async with database.session() as session:
            await cancel(session, job.id)
        await eventually(lambda: has(jobs, job, "cancelled"))
    row = await jobs.get(job.id)
    assert (row.attempts, row.unresponsive_since, starts()) == (1, None, {0: 1})
    assert len(events("end")) == 1


async def test_blocked_event_loop_is_reported_once_with_task_and_stack(database: Database, jobs: JobsInTest) -> None:
    job = await enqueued(database, stubborn.block_loop, n=0, seconds=3.5)
    with structlog.testing.capture_logs() as logs:
        async with working(database):
            await eventually(lambda: has(jobs, job, "succeeded"))
    (blocked,) = [each for each in logs if each["event"].startswith("event loop blocked")]
    assert blocked["blocking"] == f"job stubborn.block_loop {job.id}"
    assert "time.sleep(seconds)" in blocked["stack"]
    assert blocked["blocked_for"] >= 2
    assert [each["event"] for each in logs if each["event"] == "event loop runs again"] == ["event loop runs again"]


@pytest.mark.parametrize("task", [stubborn.sleep_in_thread, stubborn.ignore_cancellation])
async def test_worker_with_a_task_that_does_not_stop_ends_and_hands_it_back(
    database: Database, jobs: JobsInTest, workers: Workers, task: Any
) -> None:
    job = await enqueued(database, task, n=0, seconds=3600)
    worker = await workers.start()
    await eventually(lambda: started(0))
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(worker.wait(), 60) == 0
    ended_at = time.monotonic()
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost, row.unresponsive_since) == ("queued", 0, 0, None)
    await workers.start()
    await eventually(lambda: started_again(0))
    assert events("start")[1][1] > ended_at


async def started_again(n: int) -> bool:
    return starts()[n] == 2


async def test_worker_whose_event_loop_is_blocked_ends_at_a_signal_and_hands_its_jobs_back(
    database: Database, jobs: JobsInTest, workers: Workers
) -> None:
    neighbor = await enqueued(database, stubborn.wait_until_canceled, n=1, priority=1)
    blocking = await enqueued(database, stubborn.block_loop, n=0, seconds=3600)
    worker = await workers.start()
    await eventually(lambda: started(0))
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(worker.wait(), 60) == 1
    ended_at = time.monotonic()
    for job in (neighbor, blocking):
        row = await jobs.get(job.id)
        assert (row.status, row.attempts, row.lost) == ("queued", 0, 0)
    await workers.start()
    await eventually(lambda: started_again(0))
    assert starts() == {0: 2, 1: 2}
    assert min(at for _, at in events("start")[2:]) > ended_at


async def test_job_that_was_given_to_another_worker_is_stopped(database: Database, jobs: JobsInTest) -> None:
    job = await enqueued(database, stubborn.wait_until_canceled, n=0)
    other = await enqueued(database, stubborn.wait_until_canceled, n=1)

    async def has_ended(n: int) -> bool:
        return n in dict(events("end"))

    async with working(database):
        await eventually(lambda: started(1))
        await eventually(lambda: started(0))
        await fetchval(database, "UPDATE jobs SET worker_id = gen_random_uuid() WHERE id = $1", job.id)
        await eventually(lambda: has_ended(0))
        assert not await has_ended(1)
        assert await has(jobs, other, "running")
    assert await has(jobs, job, "running")


async def test_heartbeats_end_with_a_killed_worker(database: Database, workers: Workers) -> None:
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"

    async def beating(number: int) -> bool:
        return await fetchval(database, count, "undercroft heartbeat") == number

    worker = await workers.start()
    await eventually(lambda: beating(1))
    worker.kill()
    await eventually(lambda: beating(0))


async def test_cut_heartbeat_connection_is_opened_again(database: Database, workers: Workers) -> None:
    pids = (
        "SELECT array_agg(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'undercroft heartbeat'"
    )

    async def is_another(than: list[int] | None) -> bool:
        return await fetchval(database, pids) not in (than, None)

    await workers.start()
    await eventually(lambda: is_another(None))
    first = await fetchval(database, pids)
    await fetchval(database, "SELECT pg_terminate_backend($1)", first[0])
    await eventually(lambda: is_another(first))
