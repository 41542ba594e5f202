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

LIMIT = 120.0
QUICK = {"JOBS_REDELIVERY": "1", "JOBS_POLL_INTERVAL": "0.2", "JOBS_STOP_TIMEOUT": "1", "ENVIRONMENT": "test"}


class Workers:
    """Starts workers on one database; `restarting` replaces each that dies until the block ends."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.started: list[Process] = []

    async def start(self, **settings: str) -> Process:
        environment = os.environ | QUICK | {"DATABASE_URL": self._url} | settings
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.jobs.work", env=environment)
        self.started.append(process)
        return process

    @asynccontextmanager
    async def restarting(self) -> AsyncIterator[None]:
        keeper = asyncio.create_task(self._keep_one())
        try:
            yield
        finally:
            keeper.cancel()

    async def _keep_one(self) -> None:
        while True:
            await (await self.start()).wait()

    async def end(self) -> None:
        for process in self.started:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def eventually(true: Callable[[], Awaitable[bool]], *, limit: float = LIMIT) -> None:
    """Wait until something holds; fails when it does not in time."""
    async with asyncio.timeout(limit):
        while not await true():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def working(database: Database, **options: Any) -> AsyncIterator[Worker]:
    """A worker on this loop, stopped after the block."""
    worker = Worker(database, **options)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await running
