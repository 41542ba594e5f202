import asyncio
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from undercroft.core.db import Database
from undercroft.jobs import Task, cron, schedules
from undercroft.jobs.registry import Cron
from undercroft.jobs.schedules import MAX_SLEEP, Scheduler
from undercroft.testing import add_declarations
from undercroft.testing.jobs import CapturedJobs

BERLIN = "Europe/Berlin"


@pytest.fixture
def hourly() -> Iterator[Task[..., Any]]:
    @cron("0 * * * *", name="tests.hourly")
    async def task() -> str:
        return "rung"

    with add_declarations(task):
        yield task


@pytest.fixture
def failing() -> Iterator[Task[..., Any]]:
    """A schedule with arguments that cannot be enqueued."""

    @cron("0 * * * *", name="tests.failing")
    async def task(*, what: str = "nul \0") -> None: ...

    with add_declarations(task):
        yield task


async def row(database: Database, task: str = "tests.hourly") -> Any:
    async with database.session() as session:
        return await (await session.raw()).fetchrow("SELECT *, now() FROM job_schedules WHERE task = $1", task)


async def make_due(database: Database, ago: timedelta = timedelta(seconds=1), task: str = "tests.hourly") -> None:
    async with database.session() as session:
        await (await session.raw()).execute(
            "UPDATE job_schedules SET next_run_at = now() - $1::interval WHERE task = $2", ago, task
        )


async def test_schedule_is_registered_with_its_next_run(database: Database, hourly: Task[..., Any]) -> None:
    await Scheduler(database).register()
    schedule = await row(database)
    assert (schedule["cron"], schedule["timezone"], schedule["last_job_id"]) == ("0 * * * *", "UTC", None)
    assert timedelta() < schedule["next_run_at"] - schedule["now"] <= timedelta(hours=1)


async def test_registering_again_keeps_the_next_run_unless_the_schedule_changed(
    database: Database, hourly: Task[..., Any]
) -> None:
    await Scheduler(database).register()
    await make_due(database)
    due = (await row(database))["next_run_at"]
    await Scheduler(database).register()
    assert (await row(database))["next_run_at"] == due
    hourly.cron = Cron("30 * * * *")
    await Scheduler(database).register()
    assert (await row(database))["next_run_at"] > due


async def test_tick_runs_once_with_concurrent_schedulers(
    database: Database, jobs: CapturedJobs, hourly: Task[..., Any]
) -> None:
    schedulers = [Scheduler(database) for _ in range(5)]
    await schedulers[0].register()
    await make_due(database)
    ticks = await asyncio.gather(*(scheduler.tick() for scheduler in schedulers))
    assert sum(ticks) == 1
    assert [job.task for job in jobs.captured] == ["tests.hourly"]
    await jobs.run_all()
    schedule = await row(database)
    assert schedule["last_job_id"] == jobs.captured[0].id
    assert schedule["last_run_at"]
    assert schedule["next_run_at"] > schedule["now"]


async def test_missed_ticks_are_made_up_for_by_one_run(
    database: Database, jobs: CapturedJobs, hourly: Task[..., Any]
) -> None:
    scheduler = Scheduler(database)
    await scheduler.register()
    await make_due(database, timedelta(days=3))
    assert [await scheduler.tick() for _ in range(3)] == [1, 0, 0]
    assert len(jobs.captured) == 1


async def test_tick_is_skipped_while_the_previous_job_is_unfinished(
    database: Database, jobs: CapturedJobs, hourly: Task[..., Any]
) -> None:
    scheduler = Scheduler(database)
    await scheduler.register()
    for _ in range(2):
        await make_due(database)
        await scheduler.tick()
    assert len(jobs.captured) == 1


async def test_scheduler_ignores_unknown_schedules(database: Database) -> None:
    async with database.session() as session:
        await (await session.raw()).execute(
            "INSERT INTO job_schedules (task, cron, timezone, next_run_at, seen_at) "
            "VALUES ('other.task', '* * * * *', 'UTC', now() - interval '1 day', now())"
        )
    assert await Scheduler(database).tick() == 0


async def test_failing_schedule_is_logged_and_retried_without_affecting_others(
    database: Database, jobs: CapturedJobs, hourly: Task[..., Any], failing: Task[..., Any]
) -> None:
    scheduler = Scheduler(database)
    await scheduler.register()
    await make_due(database, timedelta(hours=2), "tests.failing")
    await make_due(database)
    with structlog.testing.capture_logs() as logs:
        assert await scheduler.tick() == 1
    assert [job.task for job in jobs.captured] == ["tests.hourly"]
    assert [(each["event"], each["task"]) for each in logs] == [("schedule.failed", "tests.failing")]
    schedule = await row(database, "tests.failing")
    assert timedelta(seconds=50) < schedule["next_run_at"] - schedule["now"] <= timedelta(minutes=1)
    assert (schedule["last_run_at"], schedule["last_job_id"]) == (None, None)


async def test_schedule_locked_by_another_scheduler_is_skipped(
    database: Database, jobs: CapturedJobs, hourly: Task[..., Any]
) -> None:
    scheduler = Scheduler(database)
    await scheduler.register()
    await make_due(database)
    async with database.session() as session:
        await (await session.raw()).execute("SELECT FROM job_schedules WHERE task = 'tests.hourly' FOR UPDATE")
        assert await scheduler.tick() == 0
    assert await scheduler.tick() == 1
    assert len(jobs.captured) == 1


async def test_tick_changes_only_the_due_schedule(
    database: Database, jobs: CapturedJobs, hourly: Task[..., Any], failing: Task[..., Any]
) -> None:
    scheduler = Scheduler(database)
    await scheduler.register()
    before = await row(database, "tests.failing")
    await make_due(database)
    assert await scheduler.tick() == 1
    after = await row(database, "tests.failing")
    assert (after["next_run_at"], after["last_run_at"], after["seen_at"]) == (
        before["next_run_at"],
        None,
        before["seen_at"],
    )
    assert (await jobs.get(jobs.captured[0].id)).key == "schedule"


async def test_schedule_that_is_not_due_does_not_run(database: Database, hourly: Task[..., Any]) -> None:
    scheduler = Scheduler(database)
    await scheduler.register()
    assert not await scheduler._run(hourly)


async def test_changed_time_zone_moves_the_next_run(database: Database, hourly: Task[..., Any]) -> None:
    hourly.cron = Cron("0 2 * * *", "UTC")
    await Scheduler(database).register()
    first = (await row(database))["next_run_at"]
    hourly.cron = Cron("0 2 * * *", "Asia/Tokyo")
    await Scheduler(database).register()
    assert (await row(database))["next_run_at"] != first
    assert (await row(database))["timezone"] == "Asia/Tokyo"


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that schedulers would have slept."""
    recorded: list[float] = []

    async def sleep(seconds: float) -> None:
        recorded.append(seconds)

    monkeypatch.setattr(schedules, "asyncio", SimpleNamespace(sleep=sleep))
    return recorded


async def postpone_all_but(database: Database, seconds: float) -> None:
    """The hourly task is due in some seconds, every other one tomorrow."""
    async with database.session() as session:
        raw = await session.raw()
        await raw.execute("UPDATE job_schedules SET next_run_at = now() + interval '1 day'")
    await make_due(database, timedelta(seconds=-seconds))


async def test_scheduler_enqueues_due_tasks_and_sleeps_until_the_next_one_at_most_for_its_limit(
    database: Database, jobs: CapturedJobs, hourly: Task[..., Any], sleeps: list[float]
) -> None:
    scheduler = Scheduler(database)
    await scheduler.run_once()
    assert await row(database)
    for seconds in (7, 3600):
        await postpone_all_but(database, seconds)
        await scheduler.run_once()
    assert jobs.captured == []
    await postpone_all_but(database, -1)
    await scheduler.run_once()
    assert [job.task for job in jobs.captured] == ["tests.hourly"]
    assert 0 < sleeps[1] <= 7
    assert sleeps[2] == MAX_SLEEP
    assert 0 < sleeps[3] <= MAX_SLEEP


async def test_scheduler_sleeps_briefly_while_another_one_holds_a_due_task(
    database: Database, jobs: CapturedJobs, hourly: Task[..., Any], sleeps: list[float]
) -> None:
    scheduler = Scheduler(database)
    await scheduler.register()
    await postpone_all_but(database, -5)
    async with database.session() as session:
        await (await session.raw()).execute("SELECT FROM job_schedules WHERE task = 'tests.hourly' FOR UPDATE")
        await scheduler.run_once()
    assert (sleeps, jobs.captured) == ([0.01], [])


async def test_schedules_are_registered_again_after_an_interval(
    database: Database, hourly: Task[..., Any], sleeps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler(database)
    await scheduler.run_once()
    hourly.cron = Cron("30 * * * *")
    await scheduler.run_once()
    assert (await row(database))["cron"] == "0 * * * *"
    monkeypatch.setattr(schedules, "REGISTER_INTERVAL", timedelta(0))
    await scheduler.run_once()
    assert (await row(database))["cron"] == "30 * * * *"
