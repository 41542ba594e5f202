import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.jobs import sample_tasks
from undercroft.core.db import Database
from undercroft.jobs import InvalidArguments, Job, enqueue
from undercroft.testing.jobs import CapturedJobs
from undercroft.testing.statements import StatementRecorder


async def enqueue_job(database: Database, task: Any = sample_tasks.note, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def count(database: Database, table: str) -> int:
    async with database.session() as session:
        return await (await session.raw()).fetchval(f"SELECT count(*) FROM {table}")


async def test_job_exists_after_the_commit(database: Database, jobs: CapturedJobs) -> None:
    job = await enqueue_job(database, what="tea", priority=3)
    row = await jobs.get(job.id)
    assert (row.task, row.queue, row.status, row.args) == ("sample_tasks.note", "default", "queued", {"what": "tea"})
    assert (row.priority, row.attempts, row.max_attempts) == (3, 0, 4)
    assert (row.scheduled_at, row.created_at, row.message_id) == (job.scheduled_at, job.created_at, job.message_id)


async def test_job_does_not_exist_after_a_rollback(database: Database) -> None:
    with pytest.raises(RuntimeError):
        await enqueue_and_fail(database)
    assert await count(database, "jobs") == 0
    assert await count(database, "pgqueuer") == 0


async def enqueue_and_fail(database: Database) -> None:
    async with database.session() as session:
        await enqueue(session, sample_tasks.note, what="never")
        raise RuntimeError


async def test_job_does_not_run_before_the_commit(database: Database, jobs: CapturedJobs) -> None:
    sample_tasks.done.clear()
    async with database.session() as session:
        await enqueue(session, sample_tasks.note, what="early")
        await jobs.run_all()
        assert sample_tasks.done == []
    await jobs.run_all()
    assert sample_tasks.done == ["early"]


async def test_enqueue_executes_one_statement(database: Database, statements: StatementRecorder) -> None:
    await enqueue_job(database, what="tea")
    assert statements.count == 1


async def test_enqueue_returns_the_unfinished_job_with_the_same_key(database: Database) -> None:
    first = await enqueue_job(database, what="tea", key="k")
    async with database.session() as session:
        second = await enqueue(session, sample_tasks.note, what="coffee", key="k")
        third = await enqueue(session, sample_tasks.note, what="other")
    assert second.id == first.id
    assert third.id != first.id
    assert await count(database, "jobs") == 2
    assert await count(database, "pgqueuer") == 2


async def test_key_is_unique_only_among_unfinished_jobs_of_a_task(database: Database, jobs: CapturedJobs) -> None:
    first = await enqueue_job(database, what="tea", key="k")
    other = await enqueue_job(database, sample_tasks.in_thread, n=1, key="k")
    await jobs.run_all()
    again = await enqueue_job(database, what="tea", key="k")
    assert len({first.id, other.id, again.id}) == 3


async def test_concurrent_enqueues_with_one_key_create_one_job(database: Database) -> None:
    enqueued = await asyncio.gather(*(enqueue_job(database, what=str(n), key="once") for n in range(50)))
    assert len({job.id for job in enqueued}) == 1
    assert await count(database, "jobs") == 1
    assert await count(database, "pgqueuer") == 1


async def test_key_is_free_after_a_rollback(database: Database) -> None:
    async def lose() -> None:
        with pytest.raises(RuntimeError):
            async with database.session() as session:
                await enqueue(session, sample_tasks.note, what="lost", key="k")
                ready.set()
                await asyncio.sleep(0.05)
                raise RuntimeError

    ready = asyncio.Event()
    losing = asyncio.create_task(lose())
    await ready.wait()
    job = await enqueue_job(database, what="won", key="k")
    await losing
    assert job.args == {"what": "won"}
    assert await count(database, "jobs") == 1


async def test_delay_is_relative_to_the_transaction_and_at_is_absolute(database: Database) -> None:
    delayed = await enqueue_job(database, what="tea", delay=timedelta(minutes=5))
    seconds = await enqueue_job(database, what="tea", delay=300)
    noon = datetime(2199, 1, 1, 12, tzinfo=UTC)
    fixed = await enqueue_job(database, what="tea", at=noon)
    assert delayed.scheduled_at - delayed.created_at == timedelta(minutes=5)
    assert seconds.scheduled_at - seconds.created_at == timedelta(minutes=5)
    assert fixed.scheduled_at == noon


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "what: Field required"),
        ({"what": 1}, "what: Input should be a valid string"),
        ({"what": "a", "where": "b"}, "where: Extra inputs are not permitted"),
        ({"what": "a\0b"}, "NUL character"),
    ],
)
async def test_invalid_arguments_are_refused_at_enqueue(
    database: Database, arguments: dict[str, Any], error: str
) -> None:
    async with database.session() as session:
        with pytest.raises(InvalidArguments, match=error):
            await enqueue(session, sample_tasks.note, **arguments)
        await enqueue(session, sample_tasks.note, what="the transaction goes on")
    assert await count(database, "jobs") == 1


@pytest.mark.parametrize(
    "options",
    [
        {"delay": 1, "at": datetime(2199, 1, 1, tzinfo=UTC)},
        {"at": datetime(2199, 1, 1)},  # noqa: DTZ001 - a naive time is what is refused
        {"key": ""},
        {"key": "x" * 501},
        {"key": "a\0b"},
        {"priority": 10**10},
    ],
)
async def test_invalid_enqueue_options_are_refused(database: Database, options: dict[str, Any]) -> None:
    async with database.session() as session:
        with pytest.raises(ValueError, match=r"delay|time zone|key|priority"):
            await enqueue(session, sample_tasks.note, what="tea", **options)


async def test_uuid_arguments_are_stored_as_text(database: Database, jobs: CapturedJobs) -> None:
    user_id = uuid4()
    job = await enqueue_job(database, sample_tasks.describe, user_id=user_id)
    assert (await jobs.get(job.id)).args == {"user_id": str(user_id)}


async def test_key_lookup_returns_the_unfinished_job_of_that_task_and_key(
    database: Database, jobs: CapturedJobs
) -> None:
    finished = await enqueue_job(database, what="finished", key="k")
    await jobs.run_all()
    other_task = await enqueue_job(database, sample_tasks.in_thread, n=1, key="k", delay=60)
    other_key = await enqueue_job(database, what="other", key="l", delay=60)
    without_key = await enqueue_job(database, what="without", delay=60)
    first = await enqueue_job(database, what="tea", key="k", delay=60)
    again = await enqueue_job(database, what="coffee", key="k")
    assert again.id == first.id
    assert len({each.id for each in (finished, other_task, other_key, without_key, first)}) == 5


@pytest.mark.parametrize("options", [{"key": "x" * 500}, {"priority": 1_000_000}, {"priority": -1_000_000}])
async def test_options_at_their_limits_are_accepted(database: Database, jobs: CapturedJobs, options: Any) -> None:
    job = await enqueue_job(database, what="tea", **options)
    row = await jobs.get(job.id)
    assert {name: getattr(row, name) for name in options} == options


@pytest.mark.parametrize("priority", [1_000_001, -1_000_001])
async def test_priority_outside_its_limits_is_refused(database: Database, priority: int) -> None:
    with pytest.raises(ValueError, match="priority must be between"):
        await enqueue_job(database, what="tea", priority=priority)
    assert await count(database, "jobs") == 0


async def test_negative_delay_is_due_at_once(database: Database) -> None:
    job = await enqueue_job(database, what="tea", delay=-60)
    assert job.scheduled_at == job.created_at


async def test_job_scheduled_in_the_past_runs_and_future_job_waits(database: Database, jobs: CapturedJobs) -> None:
    past = await enqueue_job(database, what="past", at=datetime(2000, 1, 1, tzinfo=UTC))
    future = await enqueue_job(database, what="future", at=datetime.now(UTC) + timedelta(minutes=1))
    assert await jobs.run_all() == 1
    assert [(await jobs.get(job.id)).status for job in (past, future)] == ["succeeded", "queued"]


async def test_enqueue_refuses_a_function_that_is_not_a_task(database: Database) -> None:
    def plain() -> None: ...

    with pytest.raises(TypeError, match=r"plain is not a task\. Decorate the function with @task\(\)"):
        await enqueue_job(database, plain)
    assert await count(database, "jobs") == 0
