"""Captures jobs that tests enqueue, and runs them on request like a worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlmodel import col, select

from undercroft.core.db import Database
from undercroft.jobs import Job, enqueueing
from undercroft.jobs.worker import Worker

DUE_NOW = "UPDATE pgqueuer SET execute_after = now() - interval '1 second' WHERE status = 'queued'"


class CapturedJobs:
    """`captured` contains all jobs whose transactions committed during the test, in that order."""

    def __init__(self, database: Database) -> None:
        self.captured: list[Job] = []
        self._database = database

    async def run_all(self, *, future: bool = False) -> int:
        """Run all due jobs, including those that they enqueue; returns the number of attempts.

        A real worker runs the jobs. With `future`, delays and backoff are skipped, so that a failing job uses all its
        attempts.
        """
        worker = Worker(self._database)
        try:
            ran = 0
            while True:
                if future:
                    async with self._database.session() as session:
                        await (await session.raw()).execute(DUE_NOW)
                claimed = await worker.drain()
                ran += claimed
                if not claimed or not future:
                    return ran
        finally:
            await worker.close()

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
