"""Claims of jobs: heartbeats, releases, rejected results, lost jobs and progress."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog

from tests.jobs import sample_tasks
from tests.jobs.processes import running_worker, wait_until
from undercroft.core.db import Database
from undercroft.core.settings import load, use
from undercroft.jobs import Job, enqueue
from undercroft.jobs.engines import QueueMessage
from undercroft.jobs.engines.postgres import PostgresEngine
from undercroft.jobs.settings import JobsSettings
from undercroft.testing.jobs import CapturedJobs

LOST = (
    "UPDATE pgqueuer SET status = 'picked', queue_manager_id = $2, heartbeat = now() - interval '1 hour' WHERE id = $1"
)


@pytest.fixture(autouse=True)
def clear_done() -> None:
    sample_tasks.done.clear()


@pytest.fixture
def fast_shutdown() -> None:
    """Workers that poll once a minute and stop without waiting for jobs."""
    changed = {"jobs_poll_interval": 60, "jobs_redelivery": 2, "jobs_stop_timeout": 0.1}
    use(load(JobsSettings).model_copy(update=changed))


async def enqueue_job(database: Database, task: Any = sample_tasks.note, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def fetchval(database: Database, sql: str, *values: Any) -> Any:
    async with database.session() as session:
        return await (await session.raw()).fetchval(sql, *values)


async def claim_messages(database: Database, *tasks: str, worker_id: UUID) -> list[QueueMessage]:
    async with database.session() as session:
        return await PostgresEngine().claim(
            await session.raw(), limit=10, tasks=tasks, worker_id=worker_id, stale_after=timedelta(seconds=30)
        )


async def abandon_job(database: Database, job: Job, *, attempts: int, lost: int = 0) -> None:
    """Bring a job into the state after its worker was killed during this attempt."""
    await fetchval(database, LOST, job.message_id, uuid4())
    await fetchval(
        database,
        "UPDATE jobs SET status = 'running', attempts = $2, lost = $3, worker_id = gen_random_uuid() WHERE id = $1",
        job.id,
        attempts,
        lost,
    )


async def is_done(thing: Any) -> bool:
    return thing in sample_tasks.done


async def has_status(jobs: CapturedJobs, job: Job, status: str) -> bool:
    return (await jobs.get(job.id)).status == status


async def test_heartbeat_renews_only_claims_of_its_worker_without_waiting_for_locks(database: Database) -> None:
    ours, other = uuid4(), uuid4()
    for worker_id in (ours, ours, other):
        await enqueue_job(database, what="tea")
        await claim_messages(database, sample_tasks.note.name, worker_id=worker_id)
    await enqueue_job(database, what="queued")
    await fetchval(database, "UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")
    locked = await fetchval(database, "SELECT min(id) FROM pgqueuer")
    async with database.session() as session:
        await (await session.raw()).execute("SELECT FROM pgqueuer WHERE id = $1 FOR UPDATE", locked)
        await asyncio.wait_for(fetchval(database, PostgresEngine().heartbeat_sql(ours)), 2.5)
    renewed = "SELECT array_agg(queue_manager_id) FROM pgqueuer WHERE heartbeat > now() - interval '1 minute'"
    assert await fetchval(database, renewed) == [ours]
    await fetchval(database, PostgresEngine().heartbeat_sql(ours))
    assert await fetchval(database, renewed) == [ours, ours]


async def test_release_affects_only_claims_of_the_worker(database: Database) -> None:
    ours, other = uuid4(), uuid4()
    await enqueue_job(database, what="ours")
    (mine,) = await claim_messages(database, sample_tasks.note.name, worker_id=ours)
    await enqueue_job(database, what="foreign")
    (foreign,) = await claim_messages(database, sample_tasks.note.name, worker_id=other)
    delay = timedelta(minutes=5)
    async with database.session() as session:
        await PostgresEngine().release(await session.raw(), ours, [(mine, delay), (foreign, delay)])
    rows = "SELECT status::text FROM pgqueuer WHERE id = $1"
    assert await fetchval(database, rows, mine.id) == "queued"
    assert await fetchval(database, rows, foreign.id) == "picked"
    due = (
        "SELECT execute_after - now() BETWEEN interval '4 minutes' AND interval '5 minutes' FROM pgqueuer WHERE id = $1"
    )
    assert await fetchval(database, due, mine.id)
    assert await fetchval(database, "SELECT count(*) FROM pgqueuer_log WHERE status = 'queued'") == 1


async def test_release_unknown_preserves_known_claims_and_those_of_other_workers(database: Database) -> None:
    ours, other = uuid4(), uuid4()
    for what, worker_id in (("known", ours), ("foreign", other), ("unknown", ours)):
        await enqueue_job(database, what=what)
        await claim_messages(database, sample_tasks.note.name, worker_id=worker_id)
    known, foreign, unknown = (row["id"] for row in await fetch(database, "SELECT id FROM pgqueuer ORDER BY id"))
    async with database.session() as session:
        assert await PostgresEngine().release_unknown(await session.raw(), ours, [known]) == 1
    queued = [row["id"] for row in await fetch(database, "SELECT id FROM pgqueuer WHERE status = 'queued'")]
    assert (queued, known != foreign) == ([unknown], True)


async def fetch(database: Database, sql: str) -> list[Any]:
    async with database.session() as session:
        return await (await session.raw()).fetch(sql)


async def test_next_due_considers_only_the_given_tasks(database: Database) -> None:
    await enqueue_job(database, what="tea", delay=10)
    await enqueue_job(database, sample_tasks.in_thread, n=1, delay=500)
    async with database.session() as session:
        due = await PostgresEngine().next_due(await session.raw(), [sample_tasks.in_thread.name])
    assert due is not None
    assert timedelta(seconds=400) < due <= timedelta(seconds=500)


@pytest.mark.usefixtures("fast_shutdown")
async def test_claim_with_a_lost_response_is_released_and_runs(database: Database, jobs: CapturedJobs) -> None:
    async with running_worker(database) as worker:
        async with database.session() as session:
            job = await enqueue(session, sample_tasks.note, what="tea")
            await (await session.raw()).execute(
                "UPDATE pgqueuer SET status = 'picked', queue_manager_id = $1, heartbeat = now()", worker.id
            )
        await wait_until(lambda: has_status(jobs, job, "succeeded"))
    assert sample_tasks.done == ["tea"]


@pytest.mark.usefixtures("fast_shutdown")
async def test_delayed_job_runs_when_due_without_a_notification(database: Database, jobs: CapturedJobs) -> None:
    async with running_worker(database):
        job = await enqueue_job(database, what="tea", delay=0.5)
        await wait_until(lambda: has_status(jobs, job, "succeeded"), limit=30)


@pytest.mark.parametrize(
    "sql",
    [
        "worker_id = gen_random_uuid()",
        "attempts = attempts + 1",
        "message_id = message_id + 1000",
        "status = 'queued'",
    ],
)
async def test_result_of_an_attempt_that_lost_its_claim_is_rejected(
    database: Database, jobs: CapturedJobs, sql: str
) -> None:
    job = await enqueue_job(database, sample_tasks.lose_claim, sql=sql)
    other = await enqueue_job(database, what="beside it")
    with structlog.testing.capture_logs() as logs:
        await jobs.run_all()
    row = await jobs.get(job.id)
    assert (row.result, row.finished_at) == (None, None)
    assert row.status == ("queued" if "status" in sql else "running")
    assert (await jobs.get(other.id)).result == "beside it"
    rejected = [each["job"] for each in logs if each["event"].startswith("job.result_rejected")]
    assert rejected == [str(job.id)]


@pytest.mark.parametrize(
    ("task", "attempts", "status"),
    [
        (sample_tasks.kill_worker, 3, "failed"),
        (sample_tasks.run_alone, 3, "succeeded"),
        (sample_tasks.run_alone, 10, "failed"),
        (sample_tasks.run_alone, 9, "succeeded"),
        (sample_tasks.hang_in_database, 3, "failed"),
    ],
)
async def test_lost_job_fails_after_its_attempts_but_not_before_the_third(
    database: Database, jobs: CapturedJobs, task: Any, attempts: int, status: str
) -> None:
    job = await enqueue_job(database, task, **({"n": 1} if task is sample_tasks.run_alone else {}))
    await abandon_job(database, job, attempts=attempts)
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert row.status == status
    assert row.attempts == attempts + (status == "succeeded")
    assert ("WorkerDied" in (row.error or "")) == (status == "failed")


async def test_job_without_retries_runs_a_third_time_after_two_losses(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.report_progress, fraction=0.5)
    sample_tasks.done.append("go on")
    await abandon_job(database, job, attempts=2)
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost) == ("succeeded", 3, 1)


async def test_jobs_lost_twice_run_sequentially_least_lost_first(database: Database, jobs: CapturedJobs) -> None:
    for n, lost in ((3, 3), (1, 1), (2, 2)):
        await abandon_job(database, await enqueue_job(database, sample_tasks.run_alone, n=n), attempts=lost, lost=lost)
    await jobs.run_all()
    assert sample_tasks.done == ["start 1", "end 1", "start 2", "end 2", "start 3", "end 3"]


async def test_jobs_lost_once_run_concurrently(database: Database, jobs: CapturedJobs) -> None:
    for n in (1, 2):
        await abandon_job(database, await enqueue_job(database, sample_tasks.run_alone, n=n), attempts=1)
    await jobs.run_all()
    assert sorted(sample_tasks.done[:2]) == ["start 1", "start 2"]


@pytest.mark.parametrize(
    ("reported", "stored"),
    [(0.5, 0.5), (0, 0), (1, 1), (1.5, 1), (-0.5, 0)],
    ids=["half", "none", "all", "over", "under"],
)
async def test_progress_is_stored_while_the_job_runs_for_that_job_only(
    database: Database, jobs: CapturedJobs, reported: float, stored: float
) -> None:
    other = await enqueue_job(database, sample_tasks.wait_long)
    job = await enqueue_job(database, sample_tasks.report_progress, fraction=reported, message="half way", fails=True)

    async def has_progress() -> bool:
        return (await jobs.get(job.id)).progress is not None

    async with running_worker(database):
        await wait_until(has_progress)
        row = await jobs.get(job.id)
        assert (row.status, row.progress, row.progress_message) == ("running", stored, "half way")
        await wait_until(lambda: has_status(jobs, other, "running"))
        assert (await jobs.get(other.id)).progress is None
        sample_tasks.done.append("go on")
        await wait_until(lambda: has_status(jobs, job, "failed"))
        async with database.session() as session:
            await (await session.raw()).execute("UPDATE jobs SET cancel_requested = true WHERE id = $1", other.id)
        await wait_until(lambda: has_status(jobs, other, "canceled"))
    row = await jobs.get(job.id)
    assert (row.progress, row.progress_message) == (stored, "half way")


@pytest.mark.parametrize(("length", "stored"), [(1000, "x" * 1000), (1001, "x" * 999 + "…")])
async def test_progress_message_is_truncated_at_its_limit(
    database: Database, jobs: CapturedJobs, length: int, stored: str
) -> None:
    job = await enqueue_job(database, sample_tasks.report_progress, fraction=0.5, message="x" * length, fails=True)
    sample_tasks.done.append("go on")
    await jobs.run_all()
    assert (await jobs.get(job.id)).progress_message == stored


async def test_job_that_reports_no_progress_has_none(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea")
    await jobs.run_all()
    assert (await jobs.get(job.id)).progress is None


async def test_permanent_error_is_not_retried(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.fail_permanently)
    await jobs.run_all(future=True)
    row = await jobs.get(job.id)
    assert (row.status, row.attempts) == ("failed", 1)
    assert "PermanentError" in (row.error or "")


async def test_next_attempt_and_its_message_are_delayed_by_the_backoff(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.fail_and_wait)
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert timedelta(seconds=1) <= row.scheduled_at - row.updated_at <= timedelta(seconds=2)
    due = await fetchval(database, "SELECT execute_after FROM pgqueuer")
    assert abs(due - row.scheduled_at) < timedelta(seconds=1)


@pytest.mark.usefixtures("fast_shutdown")
async def test_released_job_retains_its_attempts_and_last_error(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.fail_then_wait)
    async with running_worker(database):
        await wait_until(lambda: is_done(2))
        await wait_until(lambda: has_status(jobs, job, "running"))
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost) == ("queued", 1, 0)
    assert "ValueError: the first attempt" in (row.error or "")


async def test_log_context_of_a_job_excludes_that_of_its_worker(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.describe, user_id=uuid4())
    with structlog.contextvars.bound_contextvars(stray="worker"):
        await jobs.run_all()
    assert "stray" not in (await jobs.get(job.id)).result["bound"]
