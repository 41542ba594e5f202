"""Sends the heartbeats of a worker from a separate process: `python -P heartbeat_process.py`, with settings on stdin.

A job can block its worker's event loop, and a job that does not release the GIL (a slow regular expression, a sum over
a long range) blocks all threads. A separate process continues to send heartbeats, so that other workers do not take
over the jobs of a busy worker. It imports only the driver and ends with its worker.
"""

import asyncio
import io
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

import asyncpg

ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
TIMEOUT = 5.0
MAX_RETRY_DELAY = 0.5


async def main(settings: dict[str, Any]) -> None:
    """Run `sql` every `interval` seconds until the process `parent` ends or closes the pipe to stdin."""
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), closed.set)
    connection: asyncpg.Connection | None = None
    while not closed.is_set() and os.getppid() == settings["parent"]:
        pause = settings["interval"]
        try:
            if connection is None:
                connection = await _connect(settings["url"])
            await connection.execute(settings["sql"])
        except ERRORS:
            # The worker itself reports outages; this process only retries.
            if connection is not None:
                connection.terminate()
            connection, pause = None, min(pause, MAX_RETRY_DELAY)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await closed.wait()
    if connection is not None:
        connection.terminate()


async def _connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(
        url,
        timeout=TIMEOUT,
        command_timeout=TIMEOUT,
        statement_cache_size=0,
        server_settings={"application_name": "undercroft heartbeat"},
    )


if __name__ == "__main__":
    # Signals to the process group are for the worker, which still needs its claims while it stops.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    asyncio.run(main(json.loads(io.FileIO(0, closefd=False).readline())))
