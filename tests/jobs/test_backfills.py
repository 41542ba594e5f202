"""Backfills: every row is changed once, by one process at a time, whatever is killed, paused or fails."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from sqlmodel import col

from tests.factories import insert_user
from tests.jobs import sample_backfills
from tests.jobs.processes import WorkerProcesses, running_worker, wait_until
from tests.projects import project_row
from undercroft.core.db import Database, Session, all_tenants
from undercroft.core.errors import ConfigurationError
from undercroft.jobs import InvalidTask, backfill, enqueue
from undercroft.jobs.backfills import control, runner
from undercroft.jobs.backfills.completion import complete_backfill, start_backfills
from undercroft.jobs.backfills.runner import BackfillRunner, find_row, get_row
from undercroft.jobs.errors import BackfillNotFound, BackfillStateConflict
from undercroft.jobs.models import BackfillRow, BackfillStatus, Job
from undercroft.jobs.registry import Backoff
from undercroft.modules.projects.models import Project
from undercroft.testing import add_declarations
from undercroft.testing.jobs import CapturedJobs

describe = sample_backfills.describe.name


@pytest.fixture(autouse=True)
def declared_backfills() -> Iterator[None]:
    """Add the sample backfill to the application."""
    with add_declarations(sample_backfills.describe):
        yield


@pytest.fixture(autouse=True)
def clear_samples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(runner, "FAILURE_DELAY", Backoff(initial=0.001, maximum=0.01))
    yield
    sample_backfills.batches.clear()
    sample_backfills.errors.clear()


@pytest.fixture
async def workers(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerProcesses]:
    monkeypatch.setenv("TRACES", str(tmp_path / "traces"))
    workers = WorkerProcesses(database_url)
    yield workers
    await workers.end()


@asynccontextmanager
async def open_session(database: Database) -> AsyncIterator[Session]:
    """A session with the rows of all teams."""
    with all_tenants():
        async with database.session() as session:
            yield session


async def insert_projects(database: Database, number: int) -> None:
    """Insert projects without a description, of two teams."""
    owners = [await insert_user(database) for _ in range(2)]
    async with open_session(database) as session:
        await session.execute(insert(Project), [project_row(owners[each % 2]) for each in range(number)])


async def count(database: Database, description: str) -> int:
    async with open_session(database) as session:
        sql = "SELECT count(*) FROM projects WHERE description = $1"
        return int(await (await session.raw()).fetchval(sql, description))


async def change(database: Database, how: Any, name: str) -> BackfillRow:
    async with open_session(database) as session:
        return await how(session, name)


async def test_backfill_changes_each_row_of_all_teams_once_in_key_order(database: Database) -> None:
    await insert_projects(database, 35)
    seen: list[BackfillRow] = []
    await complete_backfill(database, describe, seen.append)
    assert [len(batch) for batch in sample_backfills.batches] == [10, 10, 10, 5]
    keys = [key for batch in sample_backfills.batches for key in batch]
    assert keys == sorted(set(keys))
    assert await count(database, "described") == 35
    row = await get_row(database, describe)
    assert (row.state, row.done, row.total, row.fraction) == (BackfillStatus.COMPLETED, 35, 35, 1)
    assert (seen[0].state, seen[0].done, seen[0].fraction) == (BackfillStatus.RUNNING, 10, 10 / 35)
    assert seen[0].rate
    assert seen[0].remaining == pytest.approx(25 / seen[0].rate)


async def test_completed_backfill_runs_again_only_for_rows_that_older_code_wrote_since(database: Database) -> None:
    await insert_projects(database, 3)
    await complete_backfill(database, describe)
    await complete_backfill(database, describe)
    assert len(sample_backfills.batches) == 1
    await insert_projects(database, 2)
    await complete_backfill(database, describe)
    assert [len(batch) for batch in sample_backfills.batches] == [3, 2]
    assert await count(database, "") == 0


async def test_row_that_appears_behind_the_position_is_changed(database: Database) -> None:
    await insert_projects(database, 5)
    await insert_projects(database, 20)
    async with open_session(database) as session:
        sql = "UPDATE projects SET description = 'hidden' WHERE id IN (SELECT id FROM projects ORDER BY id LIMIT 5)"
        await (await session.raw()).execute(sql)

    hidden = "hidden"

    async def reveal(_: BackfillRow) -> None:
        async with open_session(database) as session:
            await (await session.raw()).execute("UPDATE projects SET description = '' WHERE description = $1", hidden)

    tasks: list[asyncio.Task[None]] = []
    await complete_backfill(database, describe, lambda row: tasks.append(asyncio.create_task(reveal(row))))
    await asyncio.gather(*tasks)
    await complete_backfill(database, describe)
    assert (await count(database, ""), await count(database, "described")) == (0, 25)


async def test_only_one_of_several_processes_runs_a_backfill(database: Database) -> None:
    await insert_projects(database, 60)
    ran = await asyncio.gather(*(BackfillRunner(database, sample_backfills.describe).run() for _ in range(8)))
    assert sorted(ran) == [False] * 7 + [True]
    assert sum(map(len, sample_backfills.batches)) == 60


async def test_killed_workers_lose_and_repeat_no_batch(database: Database, workers: WorkerProcesses) -> None:
    await insert_projects(database, 30)
    async with open_session(database) as session:
        await enqueue(session, sample_backfills.die.task)

    async def is_complete() -> bool:
        row = await find_row(database, sample_backfills.die.name)
        return row is not None and row.status == BackfillStatus.COMPLETED

    async with workers.keep_restarting():
        await wait_until(is_complete)
    row = await get_row(database, sample_backfills.die.name)
    assert (row.done, await count(database, "described")) == (30, 30)
    assert len(workers.started) == 3


async def test_paused_backfill_stays_paused_over_restarts_until_it_is_resumed(
    database: Database, jobs: CapturedJobs
) -> None:
    await insert_projects(database, 15)
    assert (await change(database, control.pause, describe)).status == BackfillStatus.PAUSED
    for _ in range(2):
        assert describe not in await start_backfills(database)
    with pytest.raises(ConfigurationError, match=f"is paused at 0 of 0 rows.*undercroft backfill resume {describe}"):
        await complete_backfill(database, describe)
    assert sample_backfills.batches == []
    await change(database, control.resume, describe)
    await jobs.run_all()
    row = await get_row(database, describe)
    assert (row.state, row.done) == (BackfillStatus.COMPLETED, 15)


async def test_pause_ends_a_running_backfill_after_its_batch(database: Database) -> None:
    await insert_projects(database, 40)
    pauses: list[asyncio.Task[Any]] = []

    def pause(_: BackfillRow) -> None:
        if not pauses:
            pauses.append(asyncio.create_task(change(database, control.pause, describe)))

    assert await BackfillRunner(database, sample_backfills.describe).run(pause)
    await asyncio.gather(*pauses)
    row = await get_row(database, describe)
    assert (row.state, row.runner) == (BackfillStatus.PAUSED, None)
    assert row.done == sum(map(len, sample_backfills.batches)) < 40


async def test_canceled_backfill_continues_and_completed_one_starts_again_when_it_is_retried(
    database: Database, jobs: CapturedJobs
) -> None:
    await insert_projects(database, 5)
    await change(database, control.cancel, describe)
    with pytest.raises(
        BackfillStateConflict, match=r"The backfill is canceled\. Only one that is queued can be paused"
    ):
        await change(database, control.pause, describe)
    await change(database, control.retry, describe)
    await jobs.run_all()
    assert (await get_row(database, describe)).done == 5
    await insert_projects(database, 2)
    restarted = await change(database, control.retry, describe)
    assert (restarted.state, restarted.done, restarted.total) == (BackfillStatus.QUEUED, 0, None)
    await jobs.run_all()
    assert (await get_row(database, describe)).done == 2


async def test_failed_batch_is_rolled_back_and_retried(database: Database) -> None:
    await insert_projects(database, 12)
    sample_backfills.errors[:] = [ValueError("two"), ValueError("one")]
    attempts: list[tuple[int, str | None, int]] = []
    await complete_backfill(database, describe, lambda row: attempts.append((row.attempts, row.error, row.done)))
    assert attempts[:3] == [(1, "ValueError: one", 0), (2, "ValueError: two", 0), (0, None, 2)]
    row = await get_row(database, describe)
    assert (row.done, row.error) == (12, None)


async def test_backfill_that_always_fails_stops_with_its_error_until_it_is_retried(
    database: Database, jobs: CapturedJobs
) -> None:
    await insert_projects(database, 3)
    sample_backfills.errors[:] = [ValueError("broken")] * 8
    await start_backfills(database)
    await jobs.run_all()
    row = await get_row(database, describe)
    assert (row.state, row.attempts, row.error) == (BackfillStatus.FAILED, 8, "ValueError: broken")
    with pytest.raises(
        ConfigurationError, match="ValueError: broken\nFix the cause, then run `undercroft backfill retry"
    ):
        await complete_backfill(database, describe)
    assert await count(database, "described") == 0
    await change(database, control.retry, describe)
    await jobs.run_all()
    assert (await get_row(database, describe)).state == BackfillStatus.COMPLETED


async def test_function_that_leaves_rows_unchanged_fails_instead_of_running_forever(database: Database) -> None:
    await insert_projects(database, 3)
    await BackfillRunner(database, sample_backfills.forget).run()
    row = await get_row(database, sample_backfills.forget.name)
    assert row.state == BackfillStatus.FAILED
    assert row.error == "RowsLeft: 1 of 1 rows still match `where` after the function has returned."
    assert await count(database, "") == 3


async def test_backfill_waits_while_sessions_wait_for_locks(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_projects(database, 12)
    monkeypatch.setattr(runner, "BUSY_DELAY", 0.05)
    throttled = asyncio.Event()

    def report(row: BackfillRow) -> None:
        if row.throttled:
            assert row.throttled == "1 session waits for locks"
            throttled.set()

    async def wait_for_the_lock() -> None:
        async with open_session(database) as session:
            await (await session.raw()).execute("LOCK TABLE users IN EXCLUSIVE MODE")

    async with open_session(database) as session:
        await (await session.raw()).execute("LOCK TABLE users IN EXCLUSIVE MODE")
        waiting = asyncio.create_task(wait_for_the_lock())

        async def is_waiting() -> bool:
            async with database.read_session() as reader:
                return bool(await BackfillRunner(database, sample_backfills.describe)._find_load()) and bool(reader)

        await wait_until(is_waiting)
        running = asyncio.create_task(BackfillRunner(database, sample_backfills.describe).run(report))
        await asyncio.wait_for(throttled.wait(), 10)
        assert sample_backfills.batches == []
    await asyncio.gather(waiting, running)
    row = await get_row(database, describe)
    assert (row.state, row.throttled) == (BackfillStatus.COMPLETED, None)


async def test_worker_shows_the_progress_in_its_job_and_hands_it_back_when_it_stops(
    database: Database, jobs: CapturedJobs
) -> None:
    await insert_projects(database, 4)
    await start_backfills(database)
    (job,) = [each for each in jobs.captured if each.task == describe]
    async with running_worker(database):

        async def is_done() -> bool:
            return (await jobs.get(job.id)).status == "succeeded"

        await wait_until(is_done)
    found: Job = await jobs.get(job.id)
    assert (found.result, found.progress) == ({"status": "completed", "done": 4}, 1)
    assert await start_backfills(database) == []


async def test_unknown_backfill_is_reported(database: Database) -> None:
    with pytest.raises(BackfillNotFound):
        await change(database, control.pause, "hotel.unknown")
    with pytest.raises(ConfigurationError, match="this application does not have it"):
        await complete_backfill(database, "hotel.unknown")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch must be 1 to 10000"),
        ({"pause": -1}, "pause not negative"),
        ({"name": "Bad"}, "'Bad' is not a valid name"),
        ({"where": "minutes IS NULL"}, "where must be a condition on columns"),
        ({"model": sample_backfills.UUID}, "must be a table whose primary key is one UUID, integer or text column"),
    ],
)
def test_invalid_declaration_is_refused_with_its_location(options: dict[str, Any], message: str) -> None:
    values = {"model": Project, "where": col(Project.description) == "", **options}

    async def fill(session: Any, ids: Any) -> None: ...

    with pytest.raises(InvalidTask, match=f"test_backfills.py:.*{message}"):
        backfill(values.pop("model"), **values)(fill)


def test_function_with_other_parameters_is_refused() -> None:
    async def fill(ids: Any) -> None: ...

    with pytest.raises(InvalidTask, match="must be an async function of a Session and a list of keys"):
        backfill(Project, where=sample_backfills.PENDING)(fill)  # type: ignore[arg-type]
