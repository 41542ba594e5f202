"""Tasks that do not stop when requested. Each records its start and end in a file."""

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

from undercroft.jobs import CurrentJob, task


def trace(event: str, n: int) -> None:
    with Path(os.environ["TRACES"]).open("a") as traces:
        traces.write(f"{event} {n} {time.monotonic()}\n")


def traced_events(name: str) -> list[tuple[int, float]]:
    """Return the task number and the time of each recorded event with this name."""
    traces = Path(os.environ["TRACES"])
    lines = [line.split() for line in traces.read_text().splitlines()] if traces.exists() else []
    return [(int(n), float(at)) for event, n, at in lines if event == name]


def start_counts() -> Counter[int]:
    return Counter(n for n, _ in traced_events("start"))


async def has_started(n: int) -> bool:
    return n in start_counts()


@task(timeout=60)
async def block_loop(job: CurrentJob, *, n: int, seconds: float) -> None:
    trace("start", n)
    time.sleep(seconds)
    trace("end", n)


@task(timeout=60)
async def block_interpreter(*, n: int, size: int) -> None:
    """Hold the GIL, so that no other thread of the process runs."""
    trace("start", n)
    sum(range(size))
    trace("end", n)


@task(timeout=1)
async def neighbor(*, n: int) -> None:
    """A short task with one await, so that it ends after another job that blocks the event loop."""
    trace("start", n)
    await asyncio.sleep(0.5)
    trace("end", n)


@task(timeout=0.3, backoff=0.01)
def sleep_in_thread(*, n: int, seconds: float, fails: bool = False) -> str:
    trace("start", n)
    time.sleep(seconds)
    trace("end", n)
    if fails:
        raise ValueError("too late")
    return "done"


@task(timeout=0.3, backoff=0.01)
async def ignore_cancellation(*, n: int, seconds: float) -> str:
    trace("start", n)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            await asyncio.sleep(until - time.monotonic())
        except asyncio.CancelledError:
            trace("cancel", n)
    trace("end", n)
    return "done"


@task(timeout=600)
async def wait_until_canceled(*, n: int) -> None:
    trace("start", n)
    try:
        await asyncio.sleep(3600)
    finally:
        trace("end", n)
