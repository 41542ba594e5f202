import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.jobs import sample_tasks
from tests.jobs.processes import running_worker, wait_until
from undercroft.core.db import Database
from undercroft.jobs import Job, enqueue
from undercroft.jobs.control import cancel, retry
from undercroft.jobs.errors import JobFinished, JobKeyTaken, JobNotFinished, JobNotFound
from undercroft.testing.jobs import CapturedJobs


@pytest.fixture(autouse=True)
def clear_done() -> None:
    sample_tasks.done.clear()


async def enqueue_job(database: Database, task: Any = sample_tasks.note, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def retry_job(database: Database, job: Job) -> Job:
    async with database.session() as session:
        return await retry(session, job.id)


async def cancel_job(database: Database, job: Job) -> Job:
    async with database.session() as session:
        return await cancel(session, job.id)


async def messages(database: Database) -> int:
    async with database.session() as session:
        return await (await session.raw()).fetchval("SELECT count(*) FROM pgqueuer")


async def test_retried_failed_job_has_its_full_number_of_attempts(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.fail)
    await jobs.run_all(future=True)
    again = await retry_job(database, job)
    assert (again.status, again.attempts, again.error) == ("queued", 0, None)
    await jobs.run_all(future=True)
    assert (await jobs.get(job.id)).attempts == 3
    assert len(sample_tasks.done) == 6


async def test_concurrent_retries_run_the_job_once(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea")
    await jobs.run_all()
    results = await asyncio.gather(*(retry_job(database, job) for _ in range(8)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Job", *["JobNotFinished"] * 7]
    await jobs.run_all()
    assert sample_tasks.done == ["tea", "tea"]


async def test_unfinished_job_cannot_be_retried(database: Database) -> None:
    job = await enqueue_job(database, what="tea")
    with pytest.raises(JobNotFinished):
        await retry_job(database, job)


async def test_retry_fails_when_an_unfinished_job_has_the_key(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea", key="k")
    await jobs.run_all()
    await enqueue_job(database, what="tea", key="k")
    with pytest.raises(JobKeyTaken):
        await retry_job(database, job)


async def test_retry_fails_when_a_concurrent_job_takes_the_key(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea", key="k")
    await jobs.run_all()
    async with database.session() as session:
        other = await enqueue(session, sample_tasks.note, what="tea", key="k")
        retrying = asyncio.create_task(retry_job(database, job))
        await wait_until(lambda: is_waiting_for_a_lock(database))
    with pytest.raises(JobKeyTaken):
        await retrying
    assert [await has_status(jobs, job, "succeeded"), await has_status(jobs, other, "queued")] == [True, True]


async def test_unknown_job_is_not_found(database: Database) -> None:
    with pytest.raises(JobNotFound):
        await retry_job(database, Job(id=uuid4(), task="x.y", queue="z"))
    with pytest.raises(JobNotFound):
        await cancel_job(database, Job(id=uuid4(), task="x.y", queue="z"))


async def test_canceled_queued_job_never_runs(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea")
    assert (await cancel_job(database, job)).status == "canceled"
    await jobs.run_all()
    assert sample_tasks.done == []
    assert (await jobs.get(job.id)).status == "canceled"
    assert await messages(database) == 0


async def test_retried_canceled_job_runs_once(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea")
    await cancel_job(database, job)
    await retry_job(database, job)
    await jobs.run_all()
    assert sample_tasks.done == ["tea"]
    assert (await jobs.get(job.id)).status == "succeeded"
    assert await messages(database) == 0


async def test_finished_job_cannot_be_canceled(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea")
    await jobs.run_all()
    with pytest.raises(JobFinished):
        await cancel_job(database, job)


async def test_running_job_is_canceled(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.wait_long)
    async with running_worker(database):
        await wait_until(lambda: contains(sample_tasks.done, "started"))
        canceling = await cancel_job(database, job)
        assert (canceling.status, canceling.cancel_requested) == ("running", True)
        await wait_until(lambda: has_status(jobs, job, "canceled"))
    row = await jobs.get(job.id)
    assert (row.attempts, row.cancel_requested) == (1, False)
    assert await messages(database) == 0


async def test_job_that_fails_after_cancel_is_not_retried(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.cancel_then_fail)
    await jobs.run_all(future=True)
    row = await jobs.get(job.id)
    assert (row.status, row.attempts) == ("canceled", 1)
    assert await messages(database) == 0


async def test_job_that_finishes_after_cancel_succeeds(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.cancel_then_succeed)
    await jobs.run_all(future=True)
    row = await jobs.get(job.id)
    assert (row.status, row.cancel_requested) == ("succeeded", False)


async def test_cancel_of_a_job_with_a_dead_worker_takes_effect_at_the_next_claim(
    database: Database, jobs: CapturedJobs
) -> None:
    job = await enqueue_job(database, what="tea")
    async with database.session() as session:
        raw = await session.raw()
        await raw.execute("UPDATE jobs SET status = 'running', attempts = 1, worker_id = $1", uuid4())
        stale = "status = 'picked', queue_manager_id = $1, heartbeat = now() - interval '1 hour'"
        await raw.execute(f"UPDATE pgqueuer SET {stale}", uuid4())
    await cancel_job(database, job)
    await jobs.run_all()
    assert sample_tasks.done == []
    assert (await jobs.get(job.id)).status == "canceled"
    assert await messages(database) == 0


async def test_retry_resets_all_fields_of_only_its_job(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.fail)
    other = await enqueue_job(database, sample_tasks.fail)
    await jobs.run_all(future=True)
    async with database.session() as session:
        await (await session.raw()).execute(
            "UPDATE jobs SET lost = 2, progress = 0.5, progress_message = 'half', result = '1', "
            "unresponsive_since = now(), worker_id = gen_random_uuid()"
        )
    await retry_job(database, job)
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost, row.cancel_requested) == ("queued", 0, 0, False)
    for name in ("result", "error", "progress", "progress_message", "worker_id", "finished_at", "unresponsive_since"):
        assert getattr(row, name) is None, name
    row = await jobs.get(other.id)
    assert (row.status, row.attempts, row.lost) == ("failed", 3, 2)


async def test_retry_does_not_change_messages_of_other_jobs(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea")
    await jobs.run_all()
    waiting = await enqueue_job(database, what="waiting", delay=60)
    await retry_job(database, job)
    assert (await jobs.get(waiting.id)).message_id == waiting.message_id
    assert await messages(database) == 2


async def test_retry_ignores_the_same_key_of_another_task_or_a_finished_job(
    database: Database, jobs: CapturedJobs
) -> None:
    finished = await enqueue_job(database, what="finished", key="k")
    await jobs.run_all()
    job = await enqueue_job(database, what="tea", key="k")
    await jobs.run_all()
    await enqueue_job(database, sample_tasks.in_thread, n=1, key="k", delay=60)
    assert (await retry_job(database, job)).status == "queued"
    assert (await jobs.get(finished.id)).status == "succeeded"


async def test_cancel_changes_only_its_job(database: Database, jobs: CapturedJobs) -> None:
    other = await enqueue_job(database, what="other", delay=60)
    job = await enqueue_job(database, what="tea", delay=60)
    canceled = await cancel_job(database, job)
    assert (canceled.id, canceled.status, canceled.cancel_requested) == (job.id, "canceled", False)
    assert canceled.finished_at is not None
    row = await jobs.get(other.id)
    assert (row.status, row.finished_at, row.cancel_requested) == ("queued", None, False)


async def test_cancel_stops_only_its_job(database: Database, jobs: CapturedJobs) -> None:
    other = await enqueue_job(database, sample_tasks.wait_long)
    job = await enqueue_job(database, sample_tasks.wait_long)
    async with running_worker(database):
        await wait_until(lambda: contains(sample_tasks.done, "started"))
        await wait_until(lambda: has_status(jobs, job, "running"))
        await wait_until(lambda: has_status(jobs, other, "running"))
        assert (await cancel_job(database, job)).finished_at is None
        await wait_until(lambda: has_status(jobs, job, "canceled"))
        assert await has_status(jobs, other, "running")
        async with database.session() as session:
            sql = "UPDATE jobs SET cancel_requested = true WHERE id = $1"
            await (await session.raw()).execute(sql, other.id)
        await wait_until(lambda: has_status(jobs, other, "canceled"))


async def is_waiting_for_a_lock(database: Database) -> bool:
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid())"
    async with database.session() as session:
        return bool(await (await session.raw()).fetchval(waiting))


async def contains(things: list[Any], thing: Any) -> bool:
    return thing in things


async def has_status(jobs: CapturedJobs, job: Job, status: str) -> bool:
    return (await jobs.get(job.id)).status == status
