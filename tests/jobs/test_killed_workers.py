"""No job is lost, stays unfinished, or runs after a rollback when workers are killed."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.jobs import sample_tasks
from tests.jobs.processes import WorkerProcesses, wait_until
from undercroft.core.db import Database
from undercroft.jobs import Job, enqueue
from undercroft.testing.jobs import CapturedJobs


@pytest.fixture
async def workers(database_url: str) -> AsyncIterator[WorkerProcesses]:
    workers = WorkerProcesses(database_url)
    yield workers
    await workers.end()


@pytest.fixture(autouse=True)
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACES", str(tmp_path / "traces"))


def start_counts() -> Counter[int]:
    """Return the number of starts of each numbered job."""
    traces = Path(os.environ["TRACES"])
    return Counter(int(line.split()[0]) for line in traces.read_text().splitlines()) if traces.exists() else Counter()


async def has_started(times: int) -> bool:
    return sum(start_counts().values()) >= times


async def fetch(database: Database, sql: str, *values: Any) -> list[Any]:
    async with database.session() as session:
        return await (await session.raw()).fetch(sql, *values)


async def enqueue_job(database: Database, task: Any, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def has_status(jobs: CapturedJobs, job_id: UUID, *statuses: str) -> bool:
    return (await jobs.get(job_id)).status in statuses


async def test_job_of_a_killed_worker_is_run_by_another_worker(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    job = await enqueue_job(database, sample_tasks.write_trace, n=1, seconds=3600)
    first = await workers.start()
    await wait_until(lambda: has_started(1))
    first.kill()
    await workers.start()
    await wait_until(lambda: has_started(2))
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost) == ("running", 2, 1)


async def test_running_job_may_take_longer_than_the_redelivery_timeout(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    job = await enqueue_job(database, sample_tasks.write_trace, n=1, seconds=3)
    await workers.start()
    await workers.start()
    await wait_until(lambda: has_status(jobs, job.id, "succeeded"))
    assert (await jobs.get(job.id)).attempts == 1
    assert start_counts() == {1: 1}


async def test_job_that_kills_its_worker_fails_without_affecting_other_jobs(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    poison = await enqueue_job(database, sample_tasks.kill_worker)
    others = [await enqueue_job(database, sample_tasks.write_trace, n=n, seconds=0.05) for n in range(5)]
    async with workers.keep_restarting():
        await wait_until(lambda: has_status(jobs, poison.id, "failed"))
        for other in others:
            await wait_until(lambda other=other: has_status(jobs, other.id, "succeeded"))
    row = await jobs.get(poison.id)
    assert "while it was running sample_tasks.kill_worker" in (row.error or "")
    assert row.attempts == 3


async def test_stopping_worker_finishes_short_jobs(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    job = await enqueue_job(database, sample_tasks.write_trace, n=1, seconds=0.5)
    worker = await workers.start()
    await wait_until(lambda: has_started(1))
    worker.send_signal(signal.SIGTERM)
    assert await worker.wait() == 0
    assert (await jobs.get(job.id)).status == "succeeded"


async def test_stopping_worker_releases_long_jobs(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    job = await enqueue_job(database, sample_tasks.write_trace, n=1, seconds=3600)
    worker = await workers.start()
    await wait_until(lambda: has_started(1))
    worker.send_signal(signal.SIGTERM)
    assert await worker.wait() == 0
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost) == ("queued", 0, 0)
    await workers.start()
    await wait_until(lambda: has_started(2))


async def test_second_signal_releases_jobs_without_waiting(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    job = await enqueue_job(database, sample_tasks.write_trace, n=1, seconds=3600)
    worker = await workers.start(JOBS_STOP_TIMEOUT="3600")
    await wait_until(lambda: has_started(1))
    worker.send_signal(signal.SIGTERM)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(worker.wait(), 1)
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(worker.wait(), 30) == 0
    assert (await jobs.get(job.id)).status == "queued"


async def test_no_job_is_lost_when_workers_are_killed_and_connections_terminated(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    with pytest.raises(RuntimeError):
        await enqueue_and_roll_back(database)
    async with database.session() as session:
        for n in range(60):
            await enqueue(session, sample_tasks.write_trace, n=n, seconds=0.1)
    async with workers.keep_restarting():
        for kill in range(4):
            await wait_until(lambda before=kill: has_started(before * 5 + 1))
            with suppress(ProcessLookupError):
                workers.started[-1].kill()
            if kill == 2:
                await terminate_connections(database)
        await wait_until(lambda: all_succeeded(database, 60))
    seen = start_counts()
    assert set(seen) == set(range(60))


async def enqueue_and_roll_back(database: Database) -> None:
    async with database.session() as session:
        for n in range(1000, 1020):
            await enqueue(session, sample_tasks.write_trace, n=n)
        raise RuntimeError


async def terminate_connections(database: Database) -> None:
    ours = "usename = current_user AND datname = current_database() AND application_name LIKE 'undercroft %'"
    others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours} AND pid <> $1"
    async with database.session() as session:
        raw = await session.raw()
        await raw.fetch(others, raw.get_server_pid())


async def all_succeeded(database: Database, count: int) -> bool:
    rows = await fetch(database, "SELECT status, count(*) AS count FROM jobs GROUP BY status")
    return {row["status"]: row["count"] for row in rows} == {"succeeded": count}
