"""A worker survives an outage of its database: it reports it once, reconnects and continues."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from tests.core.tcp_proxy import TcpProxy
from tests.jobs import sample_tasks
from tests.jobs.processes import running_worker, wait_until
from undercroft.core.db import Database
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.settings import load, use
from undercroft.jobs import Job, enqueue
from undercroft.jobs import worker as worker_module
from undercroft.jobs.settings import JobsSettings
from undercroft.jobs.worker import MAX_RETRY_DELAY, Worker
from undercroft.testing.jobs import CapturedJobs

Logs = list[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def clear_done() -> None:
    sample_tasks.done.clear()


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(database_url) as proxy:
        yield proxy


@pytest.fixture
async def proxied(database: Database, proxy: TcpProxy) -> AsyncIterator[Database]:
    """The database of the worker, which the test can make unreachable."""
    use(load(JobsSettings).model_copy(update={"jobs_redelivery": 2, "jobs_stop_timeout": 0}))
    proxied = Database(database.settings, proxy.url)
    yield proxied
    await proxied.close()


async def enqueue_job(database: Database, task: Any = sample_tasks.note, **kwargs: Any) -> Job:
    async with database.session() as session:
        return await enqueue(session, task, **kwargs)


async def wait_for_event(logs: Logs, event: str, **values: Any) -> None:
    async def is_logged() -> bool:
        return any(each["event"] == event and values.items() <= each.items() for each in logs)

    await wait_until(is_logged)


async def test_outcome_of_a_job_that_ended_during_an_outage_is_written_after_it(
    database: Database, jobs: CapturedJobs, proxy: TcpProxy, proxied: Database
) -> None:
    job = await enqueue_job(database, sample_tasks.report_progress, fraction=0.5)

    async def is_running() -> bool:
        return (await jobs.get(job.id)).progress is not None

    async def has_succeeded() -> bool:
        return (await jobs.get(job.id)).status == "succeeded"

    with structlog.testing.capture_logs() as logs:
        async with running_worker(proxied):
            await wait_until(is_running)
            await proxy.close()
            sample_tasks.done.append("go on")
            await wait_for_event(logs, "worker.step_failed", part="write outcomes", exc_info=None)
            await wait_for_event(logs, "worker.step_failed", part="heartbeat", exc_info=None)
            await wait_for_event(logs, "listen_connection.lost")
            assert not await has_succeeded()
            await proxy.open()
            await wait_until(has_succeeded)
            await wait_for_event(logs, "worker.recovered", part="write outcomes")
            await wait_for_event(logs, "worker.recovered", part="heartbeat")
            await wait_for_event(logs, "listen_connection.restored")
    assert (await jobs.get(job.id)).attempts == 1


async def test_worker_stops_during_an_outage_and_its_job_runs_again(
    database: Database, jobs: CapturedJobs, proxy: TcpProxy, proxied: Database
) -> None:
    job = await enqueue_job(database, sample_tasks.fail_then_wait)

    async def waits() -> bool:
        return sample_tasks.done == [1, 2] and (await jobs.get(job.id)).attempts == 2

    with structlog.testing.capture_logs() as logs:
        async with running_worker(proxied):
            await wait_until(waits)
            await proxy.close()
    (unwritten,) = [each for each in logs if each["event"].startswith("job outcomes could not be written")]
    assert unwritten["error"] == "DatabaseUnavailable"
    assert logs[-1]["event"] == "worker.stopped"
    row = await jobs.get(job.id)
    assert (row.status, row.attempts) == ("running", 2)
    async with database.session() as session:
        assert await (await session.raw()).fetchval("SELECT status::text FROM pgqueuer") == "picked"


async def test_failing_step_is_reported_once_and_retried_with_growing_pauses(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    results: list[Exception | None] = [
        *(DatabaseUnavailable() for _ in range(7)),
        None,
        None,
        RuntimeError("bug"),
        None,
    ]

    async def step() -> None:
        if not results:
            raise asyncio.CancelledError
        if (error := results.pop(0)) is not None:
            raise error

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(worker_module, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": sleep}))
    monkeypatch.setattr(worker_module, "random", SimpleNamespace(uniform=lambda _low, high: high))
    worker = Worker(database)
    with structlog.testing.capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await worker._repeat("sweep", step)
    await worker.close()

    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, MAX_RETRY_DELAY, MAX_RETRY_DELAY, 0.1]
    assert {each["part"] for each in logs} == {"sweep"}
    assert [(each["event"], repr(each.get("exc_info"))) for each in logs] == [
        ("worker.step_failed", "None"),
        ("worker.recovered", "None"),
        ("worker.step_failed", "RuntimeError('bug')"),
        ("worker.recovered", "None"),
    ]
