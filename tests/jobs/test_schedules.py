import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from undercroft.core.db import Database
from undercroft.jobs import InvalidTask, Task, cron, registry
from undercroft.jobs.registry import Cron
from undercroft.jobs.schedules import Scheduler, next_run
from undercroft.testing.jobs import JobsInTest

BERLIN = "Europe/Berlin"


@pytest.fixture
def hourly() -> Iterator[Task[..., Any]]:
    @cron("0 * * * *", name="tests.hourly")
    async def task() -> str:
        return "rung"

    yield task
    del registry._tasks["tests.hourly"]


async def row(database: Database, task: str = "tests.hourly") -> Any:
    async with database.session() as session:
        return await (await session.raw()).fetchrow("SELECT *, now() FROM job_schedules WHERE task = $1", task)


async def make_due(database: Database, ago: timedelta = timedelta(seconds=1)) -> None:
    async with database.session() as session:
        await (await session.raw()).execute(
            "UPDATE job_schedules SET next_run_at = now() - $1::interval WHERE task = 'tests.hourly'", ago
        )


async def test_a_schedule_is_registered_with_its_next_run(database: Database, hourly: Task[..., Any]) -> None:
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


async def test_a_tick_runs_once_however_many_schedulers_see_it(
    database: Database, jobs: JobsInTest, hourly: Task[..., Any]
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


async def test_ticks_missed_while_nobody_ran_are_made_up_for_by_one(
    database: Database, jobs: JobsInTest, hourly: Task[..., Any]
) -> None:
    scheduler = Scheduler(database)
    await scheduler.register()
    await make_due(database, timedelta(days=3))
    assert [await scheduler.tick() for _ in range(3)] == [1, 0, 0]
    assert len(jobs.captured) == 1


async def test_a_tick_while_the_last_job_is_unfinished_is_left_out(
    database: Database, jobs: JobsInTest, hourly: Task[..., Any]
) -> None:
    scheduler = Scheduler(database)
    await scheduler.register()
    for _ in range(2):
        await make_due(database)
        await scheduler.tick()
    assert len(jobs.captured) == 1


async def test_a_program_leaves_schedules_alone_that_it_does_not_know(database: Database) -> None:
    async with database.session() as session:
        await (await session.raw()).execute(
            "INSERT INTO job_schedules (task, cron, timezone, next_run_at, seen_at) "
            "VALUES ('other.task', '* * * * *', 'UTC', now() - interval '1 day', now())"
        )
    assert await Scheduler(database).tick() == 0


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        ("0 2 * * *", "UTC", "2026-01-01T02:00:00+00:00", ["2026-01-02T02:00:00+00:00"]),
        ("0 9 * * mon", BERLIN, "2026-11-21T12:00:00+00:00", ["2026-11-23T08:00:00+00:00"]),
        ("30 2 * * *", BERLIN, "2026-03-28T12:00:00+00:00", ["2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"]),
        ("30 2 * * *", BERLIN, "2026-10-24T12:00:00+00:00", ["2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"]),
        ("0 * * * *", BERLIN, "2026-10-24T23:30:00+00:00", ["2026-10-25T00:00:00+00:00", "2026-10-25T01:00:00+00:00"]),
        ("59 23 29 2 *", "UTC", "2026-01-01T00:00:00+00:00", ["2028-02-29T23:59:00+00:00"]),
    ],
    ids=["daily", "weekday", "clocks-forward", "clocks-back", "hourly-while-clocks-go-back", "leap-day"],
)
def test_the_next_run_follows_the_wall_clock(expression: str, zone: str, after: str, expected: list[str]) -> None:
    moment = datetime.fromisoformat(after)
    for each in expected:
        moment = next_run(Cron(expression, zone), moment)
        assert moment == datetime.fromisoformat(each)
        assert moment.tzinfo is UTC


def test_an_expression_that_makes_no_sense_is_named() -> None:
    with pytest.raises(InvalidTask, match="'99 2 \\* \\* \\*' is not a schedule"):
        next_run(Cron("99 2 * * *"), datetime(2026, 1, 1, tzinfo=UTC))
