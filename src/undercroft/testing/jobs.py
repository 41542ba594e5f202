"""Captures jobs that tests enqueue, and runs them on request like a worker."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlmodel import col, select

from undercroft.core.db import Database, utc_now
from undercroft.jobs import Job, Task, enqueueing
from undercroft.jobs.registry import tasks
from undercroft.jobs.schedules import REGISTER, Scheduler
from undercroft.jobs.worker import Worker
from undercroft.testing.rollback import current_transaction

DUE_NOW = "UPDATE pgqueuer SET execute_after = now() - interval '1 second' WHERE status = 'queued'"
DUE_IN_TRANSACTION = f"{DUE_NOW} AND execute_after <= now()"
"""Within the test's transaction, `now()` stands still, so that a job is never later than its time."""


class CapturedJobs:
    """`captured` contains all jobs whose transactions committed during the test, in that order.

    async def test_registration_sends_an_email(client: AsyncClient, jobs: CapturedJobs) -> None:
        body = {"email": "ada@example.com", "password": "three otters in a boat"}
        await client.post("/api/v1/auth/register", json=body)
        (job,) = jobs.of("auth.send_verification")
        assert await jobs.run_all() == 1
        assert (await jobs.get(job.id)).status == "succeeded"
    """

    def __init__(self, database: Database) -> None:
        self.captured: list[Job] = []
        self._database = database
        self._began = utc_now()

    def __repr__(self) -> str:
        return f"CapturedJobs({', '.join(f'{each.task} {each.args}' for each in self.captured)})"

    def of(self, task: Task[..., Any] | str, **arguments: Any) -> list[Job]:
        """The captured jobs of a task, or of the task with this name, whose arguments include these values.

        UUIDs, times and the like are compared as they are stored.
        """
        name = task if isinstance(task, str) else task.name
        wanted = to_jsonable_python(arguments)
        return [each for each in self.captured if each.task == name and {**each.args, **wanted} == each.args]

    async def run_all(self, *, future: bool = False) -> int:
        """Run all due jobs, including those that they enqueue; returns the number of attempts.

        A real worker runs the jobs. With `future`, delays and backoff are skipped, so that a failing job uses all its
        attempts.
        """
        make_due = DUE_NOW if future else DUE_IN_TRANSACTION if current_transaction() else None
        with self._worker() as worker:
            ran = 0
            try:
                while True:
                    if make_due:
                        async with self._database.session() as session:
                            await (await session.raw()).execute(make_due)
                    claimed = await worker.drain()
                    ran += claimed
                    if not claimed or not make_due:
                        return ran
            finally:
                await worker.close()

    async def enqueue_scheduled(self) -> list[str]:
        """Enqueue the tasks whose schedule became due since the beginning of the test, and return their names.

        Each is enqueued once, even if it was due several times, as after an outage of all workers.

            async def test_expired_links_are_deleted_at_night(jobs: CapturedJobs, clock: Clock) -> None:
                assert await jobs.enqueue_scheduled() == []
                await clock.travel(days=1)
                assert "auth.clean_up" in await jobs.enqueue_scheduled()
                assert await jobs.run_all() >= 1
        """
        schedules = [(name, each.cron) for name, each in tasks().items() if each.cron is not None]
        async with self._database.session() as session:
            await (await session.raw()).execute(
                REGISTER,
                [name for name, _ in schedules],
                [cron.expression for _, cron in schedules],
                [cron.timezone for _, cron in schedules],
                [cron.next_after(self._began) for _, cron in schedules],
            )
        known = len(self.captured)
        await Scheduler(self._database).tick()
        return [each.task for each in self.captured[known:]]

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        """A worker on this database; within the test's transaction, one that runs one job at a time."""
        transaction = current_transaction()
        with ExitStack() as stack:
            worker = Worker(self._database, concurrency=1 if transaction else None)
            if transaction is not None:
                transaction.adopt(worker._queue, stack)  # noqa: SLF001 - its connections are not for its users
            yield worker

    async def get(self, job_id: UUID) -> Job:
        """Return the current row of a job. Raises `LookupError`."""
        async with self._database.read_session() as session:
            job: Job | None = (await session.scalars(select(Job).where(col(Job.id) == job_id))).first()
        if job is None:
            raise LookupError(f"There is no job {job_id}.")
        return job


@contextmanager
def capture_jobs(database: Database) -> Iterator[CapturedJobs]:
    """Capture the jobs that are enqueued in the block."""
    jobs = CapturedJobs(database)
    enqueueing.observers.append(jobs.captured.append)
    try:
        yield jobs
    finally:
        enqueueing.observers.remove(jobs.captured.append)
