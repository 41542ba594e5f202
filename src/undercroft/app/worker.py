"""The worker process: loads the tasks of all modules and runs them."""

import asyncio
import contextlib
import os
import signal
import sys

import structlog

from undercroft.app.configuration import check_settings, warn_of_deprecations
from undercroft.app.registry import get_registry
from undercroft.app.server import loop_factory, prepare_database
from undercroft.core.context import current_context
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.errors import ConfigurationError
from undercroft.core.extras import require_extra
from undercroft.core.live.process import LiveValues
from undercroft.core.settings import CoreSettings, Environment, load
from undercroft.core.telemetry import logs
from undercroft.jobs.backfills.completion import start_backfills
from undercroft.jobs.registry import tasks
from undercroft.jobs.settings import JobsSettings
from undercroft.jobs.worker import Worker

log = structlog.get_logger("undercroft.application")


def worker_database() -> Database:
    """Return a database for jobs: the pools of a server, with longer timeouts.

    The statement timeout is the longest one of a task; a shorter task timeout cancels its statement earlier.
    """
    settings, acquire_timeout = load(DatabaseSettings), load(JobsSettings).jobs_acquire_timeout
    longest = max((task.statement_timeout for task in tasks().values()), default=0)
    timeouts = {
        "db_acquire_timeout": acquire_timeout,
        "db_lock_timeout": max(settings.db_lock_timeout, acquire_timeout),
        "db_statement_timeout": max(settings.db_statement_timeout, longest),
    }
    return Database(settings.model_copy(update=timeouts))


async def run_worker(queues: tuple[str, ...] = (), concurrency: int | None = None) -> None:
    """Run a worker until SIGTERM or SIGINT. A second signal returns running jobs to the queue immediately.

    Raises `ConfigurationError` for a missing package, invalid settings, a queue that no task uses, an unreachable
    database and an outdated schema.
    """
    if load(JobsSettings).jobs_engine == "postgres":
        require_extra("pgqueuer", "worker", "A worker needs pgqueuer")
    logs.configure()
    check_settings(load(CoreSettings).environment)
    warn_of_deprecations()
    get_registry().load()
    check_queues(queues)
    warnings = await prepare_database()
    if load(CoreSettings).environment is not Environment.DEVELOPMENT:  # in development, the server prints them
        for warning in warnings:
            log.warning(warning)
    database = worker_database()
    await start_backfills(database)
    worker = Worker(database, queues=queues, concurrency=concurrency)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not the handlers of the event loop, because a job may block the loop.
        signal.signal(number, lambda _number, _frame: worker.stop_from_signal())
    live_values = current_context().add(LiveValues, LiveValues(database, get_registry().live_values))
    await live_values.start(load(DatabaseSettings).db_start_timeout)
    await worker.run()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(live_values.stop(), database.close()), 1)


def check_queues(queues: tuple[str, ...]) -> None:
    """Raise `ConfigurationError` if no task uses one of the queues."""
    known = sorted({task.queue for task in tasks().values()})
    unknown = [queue for queue in queues if queue not in known]
    if unknown:
        raise ConfigurationError(f"No task uses the queue {', '.join(unknown)}. Available: {', '.join(known)}.")


def main(queues: tuple[str, ...] = (), concurrency: int | None = None) -> None:
    """Run a worker in this process, then exit even if tasks are still running."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run_worker(queues, concurrency))
        if asyncio.all_tasks(runner.get_loop()):
            logs.flush()
            sys.stdout.flush()
            os._exit(0)
