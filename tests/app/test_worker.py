"""The worker as a process: what it refuses, how it ends."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from tests.jobs.processes import wait_until
from undercroft.core.db import Database
from undercroft.jobs.health import health

SETTINGS = {"ENVIRONMENT": "test", "JOBS_STOP_TIMEOUT": "1", "UNDERCROFT_ENV_FILE": "nowhere"}


async def start(url: str, *arguments: str, **settings: str) -> Process:
    environment = os.environ | SETTINGS | {"DATABASE_URL": url} | settings
    command = (sys.executable, "-m", "undercroft.cli", "worker", *arguments)
    return await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=PIPE)


async def wait_for_exit(process: Process) -> tuple[int | None, str]:
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, errors.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_starts_is_seen_and_ends_when_asked(database: Database, database_url: str, number: int) -> None:
    process = await start(database_url)

    async def is_registered() -> bool:
        return (await health(database)).has_live_workers

    try:
        await wait_until(is_registered)
        process.send_signal(number)
        code, errors = await wait_for_exit(process)
    finally:
        if process.returncode is None:
            process.kill()
    assert code == 0, errors
    assert not await is_registered()


async def test_a_queue_that_no_task_uses_is_named_with_those_that_are(database_url: str) -> None:
    code, errors = await wait_for_exit(await start(database_url, "--queue", "defualt"))
    assert code == 2
    assert "No task uses the queue defualt. There are: default" in errors


async def test_a_worker_refuses_an_old_schema(empty_database_url: str) -> None:
    code, errors = await wait_for_exit(await start(empty_database_url))
    assert code == 2
    assert "undercroft migrate upgrade" in errors


async def test_a_worker_without_a_database_says_what_to_set() -> None:
    code, errors = await wait_for_exit(await start(""))
    assert code == 2
    assert "DATABASE_URL is not set" in errors
