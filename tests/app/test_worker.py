"""The worker process: startup errors and shutdown."""

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
async def test_worker_registers_and_stops_at_a_signal(database: Database, database_url: str, number: int) -> None:
    process = await start(database_url)

    async def is_registered() -> bool:
        return (await health(database)).workers > 0

    try:
        await wait_until(is_registered)
        process.send_signal(number)
        code, errors = await wait_for_exit(process)
    finally:
        if process.returncode is None:
            process.kill()
    assert code == 0, errors
    assert not await is_registered()


async def test_unknown_queue_is_reported_with_the_existing_ones(database_url: str) -> None:
    code, errors = await wait_for_exit(await start(database_url, "--queue", "defaults"))
    assert code == 2
    assert "No task uses the queue defaults. Available: default" in errors


async def test_worker_refuses_an_outdated_schema(empty_database_url: str) -> None:
    code, errors = await wait_for_exit(await start(empty_database_url))
    assert code == 2
    assert "undercroft migrate upgrade" in errors


async def test_worker_without_a_database_reports_the_missing_setting() -> None:
    code, errors = await wait_for_exit(await start(""))
    assert code == 2
    assert "DATABASE_URL is not set" in errors
