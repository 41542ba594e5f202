from datetime import timedelta
from typing import Any

from tests.jobs import chores
from undercroft.core.db import Database
from undercroft.jobs import enqueue
from undercroft.jobs.engines import engine
from undercroft.jobs.upkeep import clean_up, sweep
from undercroft.testing.jobs import JobsInTest


async def execute(database: Database, sql: str, *values: Any) -> Any:
    async with database.session() as session:
        return await (await session.raw()).fetchval(sql, *values)


async def enqueued(database: Database, task: Any = chores.note, **kwargs: Any) -> Any:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def test_a_job_whose_message_vanished_is_sent_again(database: Database, jobs: JobsInTest) -> None:
    job = await enqueued(database, what="tea")
    await execute(database, "DELETE FROM pgqueuer")
    assert await sweep(database) == (1, 0)
    await jobs.run_all()
    assert (await jobs.get(job.id)).status == "succeeded"


async def test_a_message_whose_job_vanished_or_ended_is_dropped(database: Database) -> None:
    await enqueued(database, what="vanished")
    ended = await enqueued(database, what="ended")
    await execute(database, "UPDATE jobs SET status = 'succeeded', finished_at = now() WHERE id = $1", ended.id)
    await execute(database, "DELETE FROM jobs WHERE id <> $1", ended.id)
    assert await sweep(database) == (0, 2)
    assert await execute(database, "SELECT count(*) FROM pgqueuer") == 0


async def test_where_all_is_well_a_sweep_changes_nothing(database: Database, jobs: JobsInTest) -> None:
    await enqueued(database, what="waiting", delay=60)
    await enqueued(database, what="done")
    await jobs.run_all()
    assert await sweep(database) == (0, 0)


async def test_a_message_that_comes_twice_runs_its_job_once(database: Database, jobs: JobsInTest) -> None:
    chores.done.clear()
    await enqueued(database, what="tea")
    copy = """
        INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status)
        SELECT priority, entrypoint, payload, execute_after, status FROM pgqueuer
    """
    await execute(database, copy)
    await jobs.run_all()
    assert chores.done == ["tea"]
    assert await execute(database, "SELECT count(*) FROM pgqueuer") == 0


async def test_old_finished_jobs_are_deleted_and_unfinished_ones_kept(database: Database, jobs: JobsInTest) -> None:
    old = await enqueued(database, what="old")
    recent = await enqueued(database, what="recent")
    await jobs.run_all()
    waiting = await enqueued(database, what="waiting", delay=3600)
    await execute(database, "UPDATE jobs SET finished_at = now() - interval '31 days' WHERE id = $1", old.id)
    await execute(database, "UPDATE jobs SET created_at = now() - interval '90 days' WHERE id = $1", waiting.id)
    await execute(database, "UPDATE pgqueuer_log SET created = now() - interval '2 days'")
    cleaning = await enqueued(database, clean_up)
    await jobs.run_all()
    result = (await jobs.get(cleaning.id)).result
    assert result["jobs"] == 1
    assert result["records"] >= 4
    assert (await jobs.get(recent.id)).status == "succeeded"
    assert (await jobs.get(waiting.id)).status == "queued"
    assert await execute(database, "SELECT count(*) FROM jobs WHERE id = $1", old.id) == 0


async def test_the_engines_records_are_removed_in_bounded_steps(database: Database, jobs: JobsInTest) -> None:
    for n in range(5):
        await enqueued(database, what=str(n))
    await jobs.run_all()
    async with database.session() as session:
        assert await engine().tidy(await session.raw(), timedelta(days=-1), 4) <= 4 + 4
    assert await execute(database, "SELECT count(*) FROM pgqueuer_log") == 10 - 4
