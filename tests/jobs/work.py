"""A worker process for tests that kill it: `python -m tests.jobs.work`."""

import asyncio
import signal

import tests.jobs.chores  # noqa: F401 - registers the tasks
from undercroft.app.worker import worker_database
from undercroft.jobs.worker import Worker


async def main() -> None:
    database = worker_database()
    worker = Worker(database)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
