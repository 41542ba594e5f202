"""Claims of jobs: heartbeats, releases, rejected results, lost jobs and progress."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from pydantic import SecretStr

from tests.jobs import sample_tasks
from tests.jobs.processes import running_worker, wait_until
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.settings import load, use
from undercroft.devstack.machine import free_port
from undercroft.jobs import Job, claims, enqueue
from undercroft.jobs import worker as worker_module
from undercroft.jobs.engines import QueueMessage
from undercroft.jobs.engines.postgres import PostgresEngine
from undercroft.jobs.settings import JobsSettings
from undercroft.jobs.worker import FINAL_WRITE_TIMEOUT, Worker
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


class Clock:
    """Replaces the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


async def test_worker_of_queues_without_tasks_claims_nothing(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea")
    worker = Worker(database, queues=("nothing",))
    try:
        assert await worker.drain() == 0
    finally:
        await worker.close()
    assert (await has_status(jobs, job, "queued"), sample_tasks.done) == (True, [])


async def test_other_workers_have_time_for_a_heartbeat_after_an_outage(
    database: Database, jobs: CapturedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(claims, "time", clock)
    use(load(JobsSettings).model_copy(update={"jobs_redelivery": 20}))
    worker = Worker(database)

    async def drain_at(seconds: float) -> list[Any]:
        clock.now = 1000 + seconds
        await worker.drain()
        return [*sample_tasks.done]

    for what, silence in (("alive", 90), ("dead", 130)):
        job = await enqueue_job(database, what=what)
        await fetchval(database, LOST, job.message_id, uuid4())
        beat = "UPDATE pgqueuer SET heartbeat = now() - $2::interval WHERE id = $1"
        await fetchval(database, beat, job.message_id, timedelta(seconds=silence))
    try:
        assert await drain_at(100) == ["dead"]  # the first contact after 100 s
        assert await drain_at(109) == ["dead"]
        assert await drain_at(110) == ["dead", "alive"]
    finally:
        await worker.close()


async def test_short_silence_does_not_delay_the_claims_of_other_workers(
    database: Database, jobs: CapturedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(claims, "time", clock)
    use(load(JobsSettings).model_copy(update={"jobs_redelivery": 20}))
    worker = Worker(database)
    try:
        clock.now += 10
        await worker.drain()
        job = await enqueue_job(database, what="tea")
        await fetchval(database, LOST, job.message_id, uuid4())
        await fetchval(database, "UPDATE pgqueuer SET heartbeat = now() - interval '25 seconds'")
        await worker.drain()
    finally:
        await worker.close()
    assert sample_tasks.done == ["tea"]


async def test_blocked_worker_writes_outcomes_and_releases_its_other_jobs_before_it_exits(
    database: Database, jobs: CapturedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = await enqueue_job(database, what="tea")
    running = await enqueue_job(database, sample_tasks.wait_long)
    deferred = await enqueue_job(database, sample_tasks.run_alone, n=1)
    await abandon_job(database, deferred, attempts=2, lost=2)
    clock, exits = Clock(), list[int]()
    worker = Worker(database)
    await worker._claims.claim(10)
    await wait_until(lambda: is_done("started"))

    async def has_outcome() -> bool:
        return ended.id in worker._claims.outcomes.pending

    await wait_until(has_outcome)
    deadline = clock.now + load(JobsSettings).jobs_stop_timeout + FINAL_WRITE_TIMEOUT
    monkeypatch.setattr(worker_module, "time", clock)
    monkeypatch.setattr(worker_module, "os", SimpleNamespace(_exit=exits.append))
    monkeypatch.setattr(worker_module, "FINAL_WRITE_TIMEOUT", 60)

    worker._on_loop_blocked()
    clock.now = 1e9
    worker._on_loop_blocked()
    assert exits == [], "no signal was received"
    monkeypatch.setattr(worker_module, "FINAL_WRITE_TIMEOUT", FINAL_WRITE_TIMEOUT)
    clock.now = 1000
    worker.stop_from_signal()
    monkeypatch.setattr(worker_module, "FINAL_WRITE_TIMEOUT", 60)
    clock.now = deadline - 0.1
    worker.stop_from_signal()
    worker._on_loop_blocked()
    assert exits == [], "running jobs have time to end"
    clock.now = deadline
    await asyncio.to_thread(worker._on_loop_blocked)

    assert exits == [1]
    rows = [await jobs.get(each.id) for each in (ended, running, deferred)]
    assert [(row.status, row.attempts, row.lost) for row in rows] == [
        ("succeeded", 1, 0),
        ("queued", 0, 0),
        ("queued", 2, 3),
    ]
    assert rows[0].result == "tea"
    messages = await fetch(database, "SELECT id, status::text, execute_after <= now() AS due FROM pgqueuer ORDER BY id")
    assert [(row["id"], row["status"], row["due"]) for row in messages] == [
        (running.message_id, "queued", False),
        (deferred.message_id, "queued", True),
    ]
    worker._claims.stop_all()
    await wait_until(lambda: has_no_attempts(worker))
    await worker.close()


async def has_no_attempts(worker: Worker) -> bool:
    return not worker._claims.attempts


async def test_blocked_worker_exits_also_without_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = Database(DatabaseSettings(database_url=SecretStr(f"postgresql://a@127.0.0.1:{free_port()}/b")))
    clock, exits = Clock(), list[int]()
    worker = Worker(nowhere)
    monkeypatch.setattr(worker_module, "time", clock)
    monkeypatch.setattr(worker_module, "os", SimpleNamespace(_exit=exits.append))
    worker.stop_from_signal()
    clock.now += 3600
    with structlog.testing.capture_logs() as logs:
        await asyncio.to_thread(worker._on_loop_blocked)
    await worker.close()
    await nowhere.close()
    assert exits == [1]
    assert logs[-1]["event"] == "jobs could not be released: they run again"
    assert logs[-1]["error"] == "ConnectionRefusedError"
