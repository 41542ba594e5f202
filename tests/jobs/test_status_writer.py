"""Outcomes are written also when the database rejects one of them or the message cannot be removed."""

from typing import Any

import asyncpg
import pytest
import structlog
from msgspec.structs import replace

from tests.jobs import sample_tasks
from tests.jobs.processes import wait_until
from undercroft.core.db import Database
from undercroft.jobs import Job, enqueue
from undercroft.jobs.engines.postgres import PostgresEngine
from undercroft.jobs.worker import Worker
from undercroft.testing.jobs import CapturedJobs

UNSTORABLE = '"nul \\u0000"'
"""JSON that PostgreSQL does not accept."""


@pytest.fixture(autouse=True)
def clear_done() -> None:
    sample_tasks.done.clear()


async def enqueue_job(database: Database, task: Any = sample_tasks.note, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def count_messages(database: Database) -> int:
    async with database.session() as session:
        return int(await (await session.raw()).fetchval("SELECT count(*) FROM pgqueuer"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"result": UNSTORABLE}, None),
        ({"message": "nul \0"}, None),
        ({"error": "nul \0"}, "The error message could not be stored."),
    ],
    ids=["result", "progress message", "error"],
)
async def test_outcome_that_the_database_rejects_is_written_without_its_values(
    database: Database, jobs: CapturedJobs, changes: dict[str, Any], error: str | None
) -> None:
    task: Any = sample_tasks.fail_permanently if error else sample_tasks.note
    rejected = await enqueue_job(database, task, **({} if error else {"what": "odd"}))
    others = [await enqueue_job(database, what=what) for what in ("first", "second")]
    worker = Worker(database)
    writer = worker._claims.outcomes

    async def have_ended() -> bool:
        return len(writer.pending) == 3

    try:
        await worker._claims.claim(10)
        await wait_until(have_ended)
        claim, outcome = writer.pending[rejected.id]
        writer.add(claim, replace(outcome, **changes))
        with structlog.testing.capture_logs() as logs:
            await writer.flush()
    finally:
        await worker.close()

    row = await jobs.get(rejected.id)
    assert (row.status, row.result, row.progress_message) == ("failed" if error else "succeeded", None, None)
    assert row.error == error
    assert [(await jobs.get(each.id)).result for each in others] == ["first", "second"]
    assert [(each["event"], each["job"]) for each in logs] == [("job.result_not_storable", str(rejected.id))]
    assert (writer.pending, await count_messages(database)) == ({}, 0)


async def test_outcome_is_written_when_its_message_cannot_be_removed(
    database: Database, jobs: CapturedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = PostgresEngine.finish

    async def refuse(engine: Any, connection: Any, finished: Any) -> None:
        if finished:
            raise asyncpg.LockNotAvailableError("expected")
        await finish(engine, connection, finished)

    job = await enqueue_job(database, what="tea")
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
        patch.setattr(PostgresEngine, "finish", refuse)
        await jobs.run_all()
    assert [each["reason"] for each in logs if each["event"] == "job_messages.removal_failed"] == [
        "LockNotAvailableError"
    ]
    row = await jobs.get(job.id)
    assert (row.status, row.result, await count_messages(database)) == ("succeeded", "tea", 1)
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")
    await jobs.run_all()
    assert (sample_tasks.done, await count_messages(database)) == (["tea"], 0)
