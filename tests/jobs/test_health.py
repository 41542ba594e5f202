from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog

from tests.jobs import sample_tasks
from tests.jobs.processes import running_worker, wait_until
from undercroft.core.db import Database
from undercroft.core.health import Component, ComponentDown, Health, HealthStatus, overall_status
from undercroft.core.settings import load, use
from undercroft.jobs import enqueue, maintenance
from undercroft.jobs.health import health, jobs_component
from undercroft.jobs.settings import JobsSettings
from undercroft.testing.jobs import CapturedJobs


async def test_health_counts_queued_jobs_without_a_worker(database: Database) -> None:
    async with database.session() as session:
        await enqueue(session, sample_tasks.note, what="now")
        await enqueue(session, sample_tasks.note, what="later", delay=60)
    state = await health(database)
    assert (state.workers, state.total("due"), state.total("scheduled"), state.total("running")) == (0, 1, 1, 0)


@pytest.mark.usefixtures("fast_shutdown")
async def test_jobs_component_is_down_only_while_due_jobs_have_no_worker(database: Database) -> None:
    component = jobs_component(database)
    assert await component.check() == {"workers": 0, "running": 0, "due": 0, "unresponsive": 0}
    async with database.session() as session:
        await enqueue(session, sample_tasks.wait_long)
        await enqueue(session, sample_tasks.note, what="later", delay=60)
    with pytest.raises(ComponentDown) as down:
        await component.check()
    assert down.value.details == {"workers": 0, "running": 0, "due": 1, "unresponsive": 0, "stranded": 1}
    async with running_worker(database):
        await wait_until(lambda: is_running(component))


async def is_running(component: Component) -> bool:
    try:
        return await component.check() == {"workers": 1, "running": 1, "due": 0, "unresponsive": 0}
    except ComponentDown:
        return False


async def test_worker_counts_as_alive_until_it_stops(database: Database) -> None:
    async def seen() -> bool:
        return (await health(database)).workers > 0

    async with running_worker(database):
        await wait_until(seen)
    assert not await seen()


async def test_worker_connections_stay_within_the_configured_limit(database: Database) -> None:
    async with database.session() as session:
        for n in range(300):
            await enqueue(session, sample_tasks.note, what=str(n))
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"
    most: Counter[str] = Counter()

    async def drained() -> bool:
        async with database.session() as session:
            connection = await session.raw()
            for name in ("undercroft queue", "undercroft listen"):
                most[name] = max(most[name], await connection.fetchval(count, name))
            return await connection.fetchval("SELECT count(*) FROM jobs WHERE status <> 'succeeded'") == 0

    async with running_worker(database):
        await wait_until(drained)
    assert 1 <= most["undercroft queue"] <= load(JobsSettings).jobs_connections
    assert most["undercroft listen"] <= 1


async def rename_task(database: Database, old: str, new: str) -> None:
    """Rename a task in the database, as if the running release did not contain it."""
    async with database.session() as session:
        raw = await session.raw()
        await raw.execute("UPDATE jobs SET task = $2 WHERE task = $1", old, new)
        await raw.execute("UPDATE pgqueuer SET entrypoint = $2 WHERE entrypoint = $1", old, new)


@pytest.fixture
def fast_shutdown() -> None:
    """Workers that sweep often and stop without waiting for jobs."""
    use(load(JobsSettings).model_copy(update={"jobs_sweep_interval": 0.1, "jobs_stop_timeout": 0.1}))


@pytest.mark.usefixtures("fast_shutdown")
async def test_jobs_of_a_removed_task_stay_queued_and_are_reported(
    database: Database, jobs: CapturedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.session() as session:
        removed = [await enqueue(session, sample_tasks.note, what=str(n)) for n in range(3)]
    await rename_task(database, sample_tasks.note.name, "old.task")
    async with database.session() as session:
        known = await enqueue(session, sample_tasks.note, what="known")
    readiness = Health()
    readiness.add(jobs_component(database))

    async def is_reported() -> bool:
        return len(reports(logs)) > 0 and (await health(database)).workers == 1

    async def has_swept_again() -> bool:
        return (await jobs.get(known.id)).status == "succeeded" and len(sweeps) > 2

    sweeps: list[str] = []
    monkeypatch.setattr("undercroft.jobs.worker.sweep", recorded(sweeps))
    with structlog.testing.capture_logs() as logs:
        async with running_worker(database):
            await wait_until(is_reported)
            await wait_until(has_swept_again)
            (reading,) = await readiness.check_all()
            state = await health(database)
    assert [(each["waiting_task"], each["due"]) for each in reports(logs)] == [("old.task", 3)]
    assert overall_status([reading]) is HealthStatus.DEGRADED
    assert (reading.details["workers"], reading.details["stranded"]) == (1, 3)
    (stranded,) = state.stranded
    assert (stranded.task, stranded.queue, stranded.workers, stranded.due) == ("old.task", "default", 0, 3)
    assert stranded.waiting > 0
    for job in removed:
        row = await jobs.get(job.id)
        assert (row.status, row.attempts) == ("queued", 0)


def reports(logs: list[Any]) -> list[Any]:
    return [each for each in logs if each["event"].startswith("no worker runs this task")]


def recorded(sweeps: list[str]) -> Callable[[Database], Awaitable[tuple[int, int]]]:
    async def sweep(database: Database) -> tuple[int, int]:
        sweeps.append("sweep")
        return await maintenance.sweep(database)

    return sweep


async def test_jobs_of_a_queue_without_a_worker_are_stranded(database: Database, jobs: CapturedJobs) -> None:
    async with database.session() as session:
        await enqueue(session, sample_tasks.slow_queue)
        await enqueue(session, sample_tasks.note, what="later", delay=60)

    async def has_worker() -> bool:
        return (await health(database)).workers > 0

    async with running_worker(database, queues=("default",)):
        await wait_until(has_worker)
        backlog = {each.task: each for each in (await health(database)).backlog}
    assert (backlog["sample_tasks.slow_queue"].workers, backlog["sample_tasks.slow_queue"].is_stranded) == (0, True)
    assert (backlog["sample_tasks.note"].workers, backlog["sample_tasks.note"].is_stranded) == (1, False)


@pytest.mark.parametrize(
    ("tasks", "stranded"), [(None, []), (["other.task"], ["sample_tasks.note"]), (["sample_tasks.note"], [])]
)
async def test_worker_without_reported_tasks_counts_for_all_tasks(
    database: Database, tasks: list[str] | None, stranded: list[str]
) -> None:
    async with database.session() as session:
        await enqueue(session, sample_tasks.note, what="tea")
        await (await session.raw()).execute(
            "INSERT INTO job_workers (id, host, pid, queues, concurrency, tasks, started_at, seen_at) "
            "VALUES (gen_random_uuid(), 'old', 1, '', 1, $1, now(), now())",
            tasks,
        )
    assert [each.task for each in (await health(database)).stranded] == stranded


async def test_worker_counts_as_alive_only_with_a_recent_heartbeat(database: Database) -> None:
    worker = (
        "INSERT INTO job_workers (id, host, pid, queues, concurrency, started_at, seen_at) "
        "VALUES (gen_random_uuid(), 'host', 1, '', 1, now(), now() - $1::float * interval '1 second')"
    )
    async with database.session() as session:
        raw = await session.raw()
        for ago in (load(JobsSettings).jobs_redelivery + 1, load(JobsSettings).jobs_redelivery - 5):
            await raw.execute(worker, ago)
    assert (await health(database)).workers == 1


async def test_unresponsive_jobs_are_counted(database: Database) -> None:
    async with database.session() as session:
        jobs = [await enqueue(session, sample_tasks.note, what=str(n)) for n in range(3)]
        await (await session.raw()).execute("UPDATE jobs SET status = 'running'")
        await (await session.raw()).execute("UPDATE jobs SET unresponsive_since = now() WHERE id = $1", jobs[0].id)
    state = await health(database)
    assert [state.total(each) for each in ("running", "unresponsive", "due", "scheduled")] == [3, 1, 0, 0]
    assert (await jobs_component(database).check()) == {"workers": 0, "running": 3, "due": 0, "unresponsive": 1}
