"""Jobs that do not stop when they are to. Each leaves a line where it starts and where it ends."""

import asyncio
import os
import time
from pathlib import Path

from undercroft.jobs import task

TRACE = Path(".undercroft") / "stubborn.txt"


def trace(event: str, number: int) -> None:
    with TRACE.open("a", encoding="utf-8") as lines:
        lines.write(f"{event} {number} {os.getpid()} {time.monotonic()}\n")


@task()
async def brief(*, number: int) -> None:
    trace("start", number)
    await asyncio.sleep(0.2)
    trace("end", number)


@task()
async def block_loop(*, number: int, seconds: float) -> None:
    trace("start", number)
    time.sleep(seconds)
    trace("end", number)


@task(timeout=1)
def outlast_timeout(*, number: int, seconds: float) -> None:
    trace("start", number)
    time.sleep(seconds)
    trace("end", number)


@task(timeout=1)
async def ignore_cancellation(*, number: int, seconds: float) -> None:
    trace("start", number)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            await asyncio.sleep(until - time.monotonic())
        except asyncio.CancelledError:
            continue
    trace("end", number)
