"""The worker process: every module's tasks, the settings, a database, and the loop."""

import asyncio
import contextlib
import os
import signal
import sys

import structlog

from undercroft.app.discovery import check_settings, load_submodules, prepare
from undercroft.app.server import loop_factory, prepare_database
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, Environment, load
from undercroft.core.telemetry import logs
from undercroft.jobs.registry import tasks
from undercroft.jobs.settings import JobsSettings
from undercroft.jobs.worker import Worker

log = structlog.get_logger("undercroft.application")


def load_tasks() -> None:
    """Import what modules add to every process, their tasks, and the jobs' own upkeep."""
    import undercroft.jobs.maintenance  # noqa: F401 - registers the clean-up

    prepare()
    for _ in load_submodules("tasks"):
        pass


def worker_database() -> Database:
    """A database for what jobs do: the pools of a request, with the patience of a job.

    A statement may take as long as the longest task; each task's own timeout cancels its statement sooner.
    """
    settings, patience = load(DatabaseSettings), load(JobsSettings).jobs_acquire_timeout
    longest = max((task.timeout for task in tasks().values()), default=0)
    patient = {
        "db_acquire_timeout": patience,
        "db_lock_timeout": max(settings.db_lock_timeout, patience),
        "db_statement_timeout": max(settings.db_statement_timeout, longest),
    }
    return Database(settings.model_copy(update=patient))


async def run_worker(queues: tuple[str, ...] = (), concurrency: int | None = None) -> None:
    """Work until SIGTERM or SIGINT; at the second one, hand running jobs back at once.

    Raises `ConfigurationError` for settings that do not fit, a queue that no task uses, a database that does not
    answer, and an old schema.
    """
    logs.configure()
    check_settings(load(CoreSettings).environment)
    load_tasks()
    check_queues(queues)
    warnings = await prepare_database()
    if load(CoreSettings).environment is not Environment.DEVELOPMENT:  # there the server says it
        for warning in warnings:
            log.warning(warning)
    database = worker_database()
    worker = Worker(database, queues=queues, concurrency=concurrency)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not the loop's own handlers: they wait for a turn of the loop, which a job may block.
        signal.signal(number, lambda _number, _frame: worker.stop_from_signal())
    await worker.run()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(database.close(), 1)


def check_queues(queues: tuple[str, ...]) -> None:
    """Raise `ConfigurationError` for a queue that no task uses."""
    known = sorted({task.queue for task in tasks().values()})
    unknown = [queue for queue in queues if queue not in known]
    if unknown:
        raise ConfigurationError(f"No task uses the queue {', '.join(unknown)}. There are: {', '.join(known)}.")


def main(queues: tuple[str, ...] = (), concurrency: int | None = None) -> None:
    """Run a worker in this process and end it; tasks that refuse to stop do not keep it alive."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run_worker(queues, concurrency))
        if asyncio.all_tasks(runner.get_loop()):
            logs.flush()
            sys.stdout.flush()
            os._exit(0)
