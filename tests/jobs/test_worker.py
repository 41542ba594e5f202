from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import structlog

from tests.jobs import sample_tasks
from tests.jobs.processes import running_worker, wait_until
from undercroft.core.db import Database
from undercroft.core.settings import load, use
from undercroft.jobs import Job, enqueue
from undercroft.jobs.settings import JobsSettings
from undercroft.testing.jobs import CapturedJobs

STALE = "status = 'picked', queue_manager_id = $1, heartbeat = now() - interval '1 hour'"


@pytest.fixture(autouse=True)
def clear_done() -> None:
    sample_tasks.done.clear()


async def enqueue_job(database: Database, task, **kwargs):  # type: ignore[no-untyped-def]
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def test_job_runs_and_its_result_is_stored(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.note, what="tea")
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert (row.status, row.result, row.attempts, sample_tasks.done) == ("succeeded", "tea", 1, ["tea"])
    assert row.started_at
    assert row.finished_at


async def test_sync_function_runs_in_a_thread(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.in_thread, n=21)
    await jobs.run_all()
    assert (await jobs.get(job.id)).result == 42


async def test_failing_job_is_retried_and_fails_with_its_traceback(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.fail, why="no milk")
    await jobs.run_all(future=True)
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, sample_tasks.done) == ("failed", 3, [1, 2, 3])
    assert "Traceback" in (row.error or "")
    assert "ValueError: no milk" in (row.error or "")


async def test_job_is_queued_with_the_last_error_between_attempts(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.fail_and_wait)
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert row.status == "queued"
    assert row.attempts == 1
    assert "ValueError: broken" in (row.error or "")
    assert row.scheduled_at > job.scheduled_at


async def test_job_that_succeeds_after_a_retry_has_no_error(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.succeed_at, attempt=3)
    await jobs.run_all(future=True)
    row = await jobs.get(job.id)
    assert (row.status, row.result, row.error, row.attempts) == ("succeeded", 3, None, 3)


async def test_job_fails_when_it_exceeds_its_timeout(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.hang)
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert row.status == "failed"
    assert "longer than 0.1 s" in (row.error or "")


async def test_task_that_raises_system_exit_fails(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.exit_interpreter)
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert row.status == "failed"
    assert "SystemExit" in (row.error or "")


@pytest.mark.parametrize("kind", ["nul", "object", "large", "surrogate"])
async def test_job_succeeds_when_its_result_cannot_be_stored(database: Database, jobs: CapturedJobs, kind: str) -> None:
    job = await enqueue_job(database, sample_tasks.odd_result, kind=kind)
    other = await enqueue_job(database, sample_tasks.note, what="beside it")
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert (row.status, row.result) == ("succeeded", None)
    assert (await jobs.get(other.id)).result == "beside it"


async def test_unstorable_characters_in_an_error_are_replaced(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.odd_error)
    await jobs.run_all(future=True)
    row = await jobs.get(job.id)
    assert row.status == "failed"
    assert "ValueError: nul" in (row.error or "")


async def test_current_job_has_the_id_of_the_enqueueing_request(database: Database, jobs: CapturedJobs) -> None:
    user_id = uuid4()
    with structlog.contextvars.bound_contextvars(request_id="req-1"):
        job = await enqueue_job(database, sample_tasks.describe, user_id=user_id)
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert row.result["user_id"] == str(user_id)
    assert row.result["request_id"] == "req-1"
    assert row.result["bound"] == {
        "job": f"[{str(job.id)[:8]}]",
        "job_id": str(job.id),
        "task": "sample_tasks.describe",
        "request_id": "req-1",
    }
    assert sample_tasks.done == ["child"]


async def test_progress_is_1_after_success_of_a_job_that_reported_progress(
    database: Database, jobs: CapturedJobs
) -> None:
    job = await enqueue_job(database, sample_tasks.describe, user_id=uuid4())
    await jobs.run_all()
    assert (await jobs.get(job.id)).progress == 1


async def test_higher_priority_goes_first(database: Database, jobs: CapturedJobs) -> None:
    for what, priority in (("low", -1), ("usual", 0), ("high", 5)):
        await enqueue_job(database, sample_tasks.note, what=what, priority=priority)
    await jobs.run_all()
    assert sample_tasks.done == ["high", "usual", "low"]


async def test_delayed_job_is_not_run_early(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.note, what="later", delay=3600)
    await jobs.run_all()
    assert (await jobs.get(job.id)).status == "queued"
    await jobs.run_all(future=True)
    assert (await jobs.get(job.id)).status == "succeeded"


async def test_jobs_are_captured_after_the_commit(database: Database, jobs: CapturedJobs) -> None:
    with pytest.raises(RuntimeError):
        await roll_back(database)
    job = await enqueue_job(database, sample_tasks.note, what="kept")
    assert [each.id for each in jobs.captured] == [job.id]


async def roll_back(database: Database) -> None:
    async with database.session() as session:
        await enqueue(session, sample_tasks.note, what="never")
        raise RuntimeError


async def test_stored_traceback_contains_no_secrets(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.fail, why="https://user:hunter2@example.com refused")
    await jobs.run_all()
    assert "hunter2" not in ((await jobs.get(job.id)).error or "")


async def test_worker_polls_behind_a_transaction_pooler(database: Database, jobs: CapturedJobs) -> None:
    pooled = Database(database.settings.model_copy(update={"database_pooler": "transaction"}), database.url)
    try:
        async with running_worker(pooled):
            job = await enqueue_job(database, sample_tasks.note, what="polled")
            await wait_until(lambda: has_succeeded(jobs, job))
    finally:
        await pooled.close()


async def has_succeeded(jobs: CapturedJobs, job: Job) -> bool:
    return (await jobs.get(job.id)).status == "succeeded"


async def test_message_of_a_worker_that_died_before_marking_the_job_is_redelivered(
    database: Database, jobs: CapturedJobs
) -> None:
    job = await enqueue_job(database, sample_tasks.note, what="tea")
    await execute(database, f"UPDATE pgqueuer SET {STALE}", uuid4())
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost) == ("succeeded", 1, 0)


async def test_finished_job_with_a_remaining_message_does_not_run_again(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.note, what="tea")
    await execute(database, f"UPDATE pgqueuer SET {STALE}", uuid4())
    await execute(
        database, "UPDATE jobs SET status = 'succeeded', attempts = 1, finished_at = now() WHERE id = $1", job.id
    )
    await jobs.run_all()
    assert sample_tasks.done == []
    assert await execute(database, "SELECT count(*) FROM pgqueuer") == 0


async def test_job_with_an_unwritten_outcome_runs_again(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.note, what="tea")
    await execute(database, f"UPDATE pgqueuer SET {STALE}", uuid4())
    await execute(database, "UPDATE jobs SET status = 'running', attempts = 1, worker_id = $1", uuid4())
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert (row.status, row.attempts, row.lost, sample_tasks.done) == ("succeeded", 2, 1, ["tea"])


async def test_outcome_of_a_worker_that_lost_the_job_is_rejected(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, sample_tasks.reassign_job)
    await jobs.run_all()
    row = await jobs.get(job.id)
    assert (row.status, row.result) == ("running", None)
    assert await execute(database, "SELECT count(*) FROM pgqueuer") == 1


async def execute(database: Database, sql: str, *values: Any) -> Any:
    async with database.session() as session:
        return await (await session.raw()).fetchval(sql, *values)


async def test_worker_without_due_jobs_polls_without_an_error(database: Database, jobs: CapturedJobs) -> None:
    use(load(JobsSettings).model_copy(update={"jobs_poll_interval": 0.05}))
    with structlog.testing.capture_logs() as logs:
        async with running_worker(database):
            for what in ("tea", "milk"):  # after the first one it waits, with nothing due
                job = await enqueue_job(database, sample_tasks.note, what=what)
                await wait_until(partial(is_done, jobs, job))
    assert [each for each in logs if each["event"] == "worker.step_failed"] == []


async def is_done(jobs: CapturedJobs, job: Job) -> bool:
    return (await jobs.get(job.id)).status == "succeeded"
