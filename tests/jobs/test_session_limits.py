"""Statements of jobs use the timeouts of jobs, not those of requests."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.jobs import sample_tasks
from tests.jobs.processes import WorkerProcesses, wait_until
from undercroft.app.worker import worker_database
from undercroft.core.db import Database
from undercroft.jobs import Job, enqueue
from undercroft.jobs.registry import tasks
from undercroft.testing.jobs import CapturedJobs


@pytest.fixture
async def workers(database_url: str) -> AsyncIterator[WorkerProcesses]:
    workers = WorkerProcesses(database_url)
    yield workers
    await workers.end()


async def enqueue_job(database: Database, task: Any, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def has_ended(jobs: CapturedJobs, job: Job) -> bool:
    return (await jobs.get(job.id)).finished_at is not None


async def fetchval(database: Database, sql: str) -> Any:
    async with database.session() as session:
        return await (await session.raw()).fetchval(sql)


async def test_job_statement_may_take_longer_than_a_request_statement(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    job = await enqueue_job(database, sample_tasks.sleep_in_database, seconds=1.5)
    await workers.start(DB_STATEMENT_TIMEOUT="0.5")
    await wait_until(lambda: has_ended(jobs, job))
    row = await jobs.get(job.id)
    assert (row.status, row.error) == ("succeeded", None)


async def test_job_may_wait_for_a_lock_longer_than_a_request(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    locked = await enqueue_job(database, sample_tasks.note, what="locked", delay=3600)
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock' AND now() - query_start > '1 second'"
    )

    async def has_waited() -> bool:
        return bool(await fetchval(database, waiting))

    async with database.session() as session:
        await (await session.raw()).execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", locked.id)
        job = await enqueue_job(database, sample_tasks.lock_job, job_id=locked.id)
        await workers.start(DB_LOCK_TIMEOUT="0.3")
        await wait_until(has_waited)
    await wait_until(lambda: has_ended(jobs, job))
    row = await jobs.get(job.id)
    assert (row.status, row.error) == ("succeeded", None)


async def test_statement_of_a_job_that_times_out_is_canceled_in_the_database(
    database: Database, jobs: CapturedJobs, workers: WorkerProcesses
) -> None:
    running = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%' AND state = 'active'"
    )

    async def is_gone() -> bool:
        return await fetchval(database, running) == 0

    job = await enqueue_job(database, sample_tasks.hang_in_database)
    await workers.start()
    await wait_until(lambda: has_ended(jobs, job))
    assert "longer than 0.5 s" in ((await jobs.get(job.id)).error or "")
    await wait_until(is_gone)


async def test_worker_statement_timeout_is_the_longest_of_a_task(database: Database) -> None:
    longest = max(task.statement_timeout for task in tasks().values())
    worker = worker_database()
    limits = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
    try:
        shown = await asyncio.gather(
            *(fetchval(worker, f"SELECT setting::int FROM pg_settings WHERE name = '{name}'") for name in limits)
        )
    finally:
        await worker.close()
    assert shown == [longest * 1000, longest * 1000, 30_000]
