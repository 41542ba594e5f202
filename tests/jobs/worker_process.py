"""A worker process for tests that kill it: `python -m tests.jobs.worker_process`."""

import asyncio
import os
import signal
from typing import Any

from tests.enabled import is_enabled
from tests.jobs import sample_tasks, unresponsive_tasks
from undercroft.app.discovery import defined_in
from undercroft.app.worker import worker_database
from undercroft.jobs import Task
from undercroft.jobs.worker import Worker
from undercroft.testing import add_declarations


async def main() -> None:
    database = worker_database()
    worker = Worker(database)
    signal.signal(signal.SIGTERM, lambda _number, _frame: worker.stop_from_signal())
    await worker.run()
    await database.close()
    os._exit(0)  # like the worker command: an unresponsive task must not prevent the exit


if __name__ == "__main__":
    declared: list[Any] = [*defined_in(sample_tasks, Task), *defined_in(unresponsive_tasks, Task)]
    if is_enabled("projects"):
        from tests.jobs import sample_backfills

        declared.append(sample_backfills.die)
    with add_declarations(*declared):
        asyncio.run(main())
