"""A worker process for tests that kill it: `python -m tests.jobs.worker_process`."""

import asyncio
import os
import signal

from tests.jobs import sample_tasks, unresponsive_tasks  # noqa: F401 - registers their tasks
from undercroft.app.worker import worker_database
from undercroft.jobs.worker import Worker


async def main() -> None:
    database = worker_database()
    worker = Worker(database)
    signal.signal(signal.SIGTERM, lambda _number, _frame: worker.stop_from_signal())
    await worker.run()
    await database.close()
    os._exit(0)  # like the worker command: an unresponsive task must not prevent the exit


if __name__ == "__main__":
    asyncio.run(main())
