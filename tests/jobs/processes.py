"""Worker processes that tests start, kill and replace."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from undercroft.core.db import Database
from undercroft.jobs.worker import Worker
from undercroft.testing import eventually

TIMEOUT = 120.0
FAST_SETTINGS = {"JOBS_REDELIVERY": "1", "JOBS_POLL_INTERVAL": "0.2", "JOBS_STOP_TIMEOUT": "1", "ENVIRONMENT": "test"}


class WorkerProcesses:
    """Starts workers on one database. `keep_restarting` replaces each worker that dies until its block ends."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.started: list[Process] = []

    async def start(self, **settings: str) -> Process:
        environment = os.environ | FAST_SETTINGS | {"DATABASE_URL": self._url} | settings
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.jobs.worker_process", env=environment
        )
        self.started.append(process)
        return process

    @asynccontextmanager
    async def keep_restarting(self) -> AsyncIterator[None]:
        restarting = asyncio.create_task(self._restart_forever())
        try:
            yield
        finally:
            restarting.cancel()

    async def _restart_forever(self) -> None:
        while True:
            await (await self.start()).wait()

    async def end(self) -> None:
        for process in self.started:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def wait_until(condition: Callable[[], Awaitable[bool]], *, limit: float = TIMEOUT) -> None:
    """Wait until the condition is true, for longer than `eventually` does by default: workers start slowly."""
    await eventually(condition, timeout=limit)


@asynccontextmanager
async def running_worker(database: Database, **options: Any) -> AsyncIterator[Worker]:
    """Run a worker on this event loop and stop it after the block."""
    worker = Worker(database, **options)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await running
