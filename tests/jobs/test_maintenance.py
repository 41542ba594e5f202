from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.jobs import sample_tasks
from undercroft.core.db import Database
from undercroft.jobs import enqueue, maintenance
from undercroft.jobs.engines import get_engine
from undercroft.jobs.maintenance import clean_up, sweep
from undercroft.testing.jobs import CapturedJobs


async def execute(database: Database, sql: str, *values: Any) -> Any:
    async with database.session() as session:
        return await (await session.raw()).fetchval(sql, *values)


async def enqueue_job(database: Database, task: Any = sample_tasks.note, **kwargs: Any) -> Any:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def test_sweep_resends_a_job_without_a_message(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea")
    await execute(database, "DELETE FROM pgqueuer")
    assert await sweep(database) == (1, 0)
    await jobs.run_all()
    assert (await jobs.get(job.id)).status == "succeeded"


async def test_sweep_drops_messages_of_deleted_or_finished_jobs(database: Database) -> None:
    await enqueue_job(database, what="vanished")
    ended = await enqueue_job(database, what="ended")
    await execute(database, "UPDATE jobs SET status = 'succeeded', finished_at = now() WHERE id = $1", ended.id)
    await execute(database, "DELETE FROM jobs WHERE id <> $1", ended.id)
    assert await sweep(database) == (0, 2)
    assert await execute(database, "SELECT count(*) FROM pgqueuer") == 0


async def test_sweep_changes_nothing_when_jobs_and_messages_match(database: Database, jobs: CapturedJobs) -> None:
    await enqueue_job(database, what="waiting", delay=60)
    await enqueue_job(database, what="done")
    await jobs.run_all()
    assert await sweep(database) == (0, 0)


async def test_duplicate_message_runs_its_job_once(database: Database, jobs: CapturedJobs) -> None:
    sample_tasks.done.clear()
    await enqueue_job(database, what="tea")
    copy = """
        INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
        SELECT priority, entrypoint, payload, execute_after, status FROM pgqueuer
    """
    await execute(database, copy)
    await jobs.run_all()
    assert sample_tasks.done == ["tea"]
    assert await execute(database, "SELECT count(*) FROM pgqueuer") == 0


async def test_sweep_drops_only_outdated_messages_of_a_job(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea", delay=60)
    copy = (
        "INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status) "
        "SELECT priority, entrypoint, payload, execute_after, status FROM pgqueuer"
    )
    await execute(database, copy)
    assert await sweep(database) == (0, 1)
    assert await execute(database, "SELECT id FROM pgqueuer") == (await jobs.get(job.id)).message_id


@pytest.mark.parametrize(("seen", "resent"), [(timedelta(minutes=59), 0), (timedelta(minutes=61), 1)])
async def test_sweep_resends_a_running_job_only_after_its_worker_is_gone(
    database: Database, jobs: CapturedJobs, seen: timedelta, resent: int
) -> None:
    job = await enqueue_job(database, what="tea")
    worker = (
        "INSERT INTO job_workers (id, host, pid, queues, concurrency, started_at, seen_at) "
        "VALUES (gen_random_uuid(), 'host', 1, '', 1, now(), now() - $1::interval) RETURNING id"
    )
    worker_id = await execute(database, worker, seen)
    await execute(database, "UPDATE jobs SET status = 'running', attempts = 1, worker_id = $1", worker_id)
    await execute(database, "DELETE FROM pgqueuer")
    assert await sweep(database) == (resent, 0)
    assert (await jobs.get(job.id)).status == ("queued" if resent else "running")


async def run_clean_up(database: Database, jobs: CapturedJobs) -> dict[str, int]:
    cleaning = await enqueue_job(database, clean_up)
    await jobs.run_all()
    row = await jobs.get(cleaning.id)
    assert row.status == "succeeded", row.error
    return dict(row.result)


async def test_clean_up_deletes_only_finished_jobs_past_retention(database: Database, jobs: CapturedJobs) -> None:
    old = await enqueue_job(database, what="old")
    recent = await enqueue_job(database, what="recent")
    await jobs.run_all()
    waiting = await enqueue_job(database, what="waiting", delay=3600)
    ago = "UPDATE jobs SET finished_at = now() - $2::interval WHERE id = $1"
    await execute(database, ago, old.id, timedelta(days=30, minutes=1))
    await execute(database, ago, recent.id, timedelta(days=29, hours=23))
    await execute(database, "UPDATE jobs SET created_at = now() - interval '90 days' WHERE id <> $1", old.id)
    assert (await run_clean_up(database, jobs))["jobs"] == 1
    assert (await jobs.get(recent.id)).status == "succeeded"
    assert (await jobs.get(waiting.id)).status == "queued"
    assert await execute(database, "SELECT count(*) FROM jobs WHERE id = $1", old.id) == 0


async def test_clean_up_deletes_only_engine_records_older_than_a_day(database: Database, jobs: CapturedJobs) -> None:
    for hours in (23, 25):
        await execute(
            database,
            "INSERT INTO pgqueuer_log (created, job_id, status, priority, entrypoint) "
            "VALUES (now() - $1::interval, 1, 'picked', 0, 'sample_tasks.note')",
            timedelta(hours=hours),
        )
        await execute(
            database,
            "INSERT INTO pgqueuer_statistics (created, count, status, priority, entrypoint) "
            "VALUES (now() - $1::interval, 1, 'picked', 0, 'sample_tasks.note')",
            timedelta(hours=hours),
        )
    assert (await run_clean_up(database, jobs))["records"] == 2
    for table in ("pgqueuer_log", "pgqueuer_statistics"):
        count = f"SELECT count(*) FROM {table} WHERE entrypoint = 'sample_tasks.note' AND created"
        assert await execute(database, f"{count} < now() - interval '24 hours'") == 0
        assert await execute(database, f"{count} < now() - interval '22 hours'") == 1


async def test_clean_up_deletes_only_workers_and_schedules_not_seen_for_long(
    database: Database, jobs: CapturedJobs
) -> None:
    worker = (
        "INSERT INTO job_workers (id, host, pid, queues, concurrency, started_at, seen_at) "
        "VALUES (gen_random_uuid(), $1, 1, '', 1, now(), now() - $2::interval)"
    )
    schedule = (
        "INSERT INTO job_schedules (task, cron, timezone, next_run_at, seen_at) "
        "VALUES ($1, '* * * * *', 'UTC', now(), now() - $2::interval)"
    )
    await execute(database, worker, "recent", timedelta(hours=23))
    await execute(database, worker, "gone", timedelta(hours=25))
    await execute(database, schedule, "recent.task", timedelta(days=6, hours=23))
    await execute(database, schedule, "gone.task", timedelta(days=7, hours=1))
    await run_clean_up(database, jobs)
    assert await execute(database, "SELECT string_agg(host, ',') FROM job_workers") == "recent"
    assert await execute(database, "SELECT string_agg(task, ',') FROM job_schedules") == "recent.task"


COUNT_DELETED = """
CREATE TABLE deletions (relation text, rows bigint);
CREATE FUNCTION count_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO deletions SELECT TG_RELNAME, count(*) FROM deleted;
    RETURN NULL;
END $$;
CREATE TRIGGER count_deleted AFTER DELETE ON jobs REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION count_deleted();
CREATE TRIGGER count_deleted AFTER DELETE ON pgqueuer_log REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION count_deleted();
"""


@pytest.fixture
async def deletions(database: Database, owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees how many rows each statement deleted, as PostgreSQL counted them in `deletions`."""
    connection = await asyncpg.connect(owner_url)
    await connection.execute(COUNT_DELETED)
    yield connection
    await connection.execute("DROP FUNCTION count_deleted CASCADE; DROP TABLE deletions")
    await connection.close()


async def test_no_statement_of_the_clean_up_deletes_more_rows_than_a_batch(
    database: Database, jobs: CapturedJobs, deletions: asyncpg.Connection
) -> None:
    await execute(
        database,
        "INSERT INTO pgqueuer_log (created, job_id, status, priority, entrypoint) "
        "SELECT now() - interval '2 days' - n * interval '0.1 seconds', n, 'successful', 0, 'sample_tasks.note' "
        "FROM generate_series(1, 12000) AS n",
    )
    await execute(
        database,
        "INSERT INTO jobs (id, task, queue, status, priority, attempts, max_attempts, lost, args, cancel_requested, "
        "scheduled_at, created_at, updated_at, finished_at) "
        "SELECT gen_random_uuid(), 'sample_tasks.note', 'default', 'succeeded', 0, 1, 1, 0, '{}', false, "
        "now(), now(), now(), now() - interval '31 days' FROM generate_series(1, 12000)",
    )
    assert await run_clean_up(database, jobs) == {"jobs": 12_000, "records": 12_000}
    largest = await deletions.fetch("SELECT relation, max(rows) FROM deletions GROUP BY relation")
    assert dict(largest) == dict.fromkeys(("jobs", "pgqueuer_log"), maintenance.DELETE_BATCH)
    assert await execute(database, "SELECT count(*) FROM pgqueuer_log WHERE created < now() - interval '1 day'") == 0


async def test_clean_up_that_is_interrupted_leaves_less_to_the_next_attempt(
    database: Database, jobs: CapturedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        await enqueue_job(database, what=str(n))
    await jobs.run_all()
    await execute(database, "UPDATE jobs SET finished_at = now() - interval '31 days'")
    monkeypatch.setattr(maintenance, "DELETE_BATCH", 2)
    delete_batch, batches = maintenance._delete_finished, []

    async def interrupted(*arguments: Any) -> int:
        batches.append(await delete_batch(*arguments))
        if len(batches) == 1:
            raise ConnectionError
        return batches[-1]

    monkeypatch.setattr(maintenance, "_delete_finished", interrupted)
    cleaning = await enqueue_job(database, clean_up)
    await jobs.run_all(future=True)
    row = await jobs.get(cleaning.id)
    assert (row.attempts, row.result["jobs"], batches) == (2, 3, [2, 2, 1, 0])


async def test_engine_records_are_deleted_in_bounded_batches(database: Database, jobs: CapturedJobs) -> None:
    for n in range(5):
        await enqueue_job(database, what=str(n))
    await jobs.run_all()
    async with database.session() as session:
        assert await get_engine().delete_records(await session.raw(), timedelta(days=-1), 4) == 4
    assert await execute(database, "SELECT count(*) FROM pgqueuer_log") == 10 - 4
