"""Jobs in tests: captured as they are enqueued, and run when the test says so, as a worker would."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlmodel import col, select

from undercroft.core.db.session import Database
from undercroft.jobs import enqueueing
from undercroft.jobs.models import Job
from undercroft.jobs.worker import Worker

DUE_NOW = "UPDATE pgqueuer SET execute_after = now() - interval '1 second' WHERE status = 'queued'"


class CapturedJobs:
    """`captured` holds every job whose transaction committed during the test, in that order."""

    def __init__(self, database: Database) -> None:
        self.captured: list[Job] = []
        self._database = database

    async def run_all(self, *, future: bool = False) -> int:
        """Run what is due and what that enqueues; how many attempts that took.

        Claims, attempts and marks are a worker's own. With `future`, delays and back-off are skipped, so that a job
        which keeps failing goes through all its attempts.
        """
        worker = Worker(self._database)
        try:
            ran = 0
            while True:
                if future:
                    await self._make_due()
                claimed = await worker.drain()
                ran += claimed
                if not claimed or not future:
                    return ran
        finally:
            await worker.close()

    async def get(self, job_id: UUID) -> Job:
        """The job's row as it is now. Raises `LookupError`."""
        async with self._database.read_session() as session:
            job: Job | None = (await session.scalars(select(Job).where(col(Job.id) == job_id))).first()
        if job is None:
            raise LookupError(f"There is no job {job_id}.")
        return job

    async def _make_due(self) -> None:
        async with self._database.session() as session:
            await (await session.raw()).execute(DUE_NOW)


@contextmanager
def capture_jobs(database: Database) -> Iterator[CapturedJobs]:
    """Capture the jobs that are enqueued while the block runs."""
    jobs = CapturedJobs(database)
    enqueueing.observers.append(jobs.captured.append)
    try:
        yield jobs
    finally:
        enqueueing.observers.remove(jobs.captured.append)
