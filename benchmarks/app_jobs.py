"""The job queue, for comparison with `floor_jobs.py`: one worker with empty jobs.

Run as a program it enqueues so many jobs and prints how many a second a worker ran.
"""

import asyncio
import sys
import time

from sqlalchemy import func, select
from sqlmodel import col

from undercroft.core.context import current_context
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.settings import load
from undercroft.jobs import Job, JobStatus, enqueue, task
from undercroft.jobs.registry import Tasks
from undercroft.jobs.worker import Worker


@task(name="benchmarks.noop")
async def noop(*, number: int) -> None:
    del number


async def rate(count: int) -> float:
    """Return jobs per second for this many jobs, from the start of the worker until the last outcome is written."""
    current_context().add(Tasks, Tasks([noop]))
    database = Database(load(DatabaseSettings))
    try:
        async with database.session() as session:
            for number in range(count):
                await enqueue(session, noop, number=number)
        worker = Worker(database)
        started = time.perf_counter()
        working = asyncio.create_task(worker.run())
        while await _count_unfinished(database):
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - started
        worker.stop()
        await working
        return count / seconds
    finally:
        await database.close()


async def _count_unfinished(database: Database) -> int:
    async with database.read_session() as session:
        ended = col(Job.status) == JobStatus.SUCCEEDED
        return int(await session.scalar(select(func.count()).where(col(Job.task) == noop.name, ~ended)))


if __name__ == "__main__":
    print(asyncio.run(rate(int(sys.argv[1]))))
