"""A job that takes a moment and leaves a line behind each time it runs."""

import asyncio
from pathlib import Path

from undercroft.jobs import task

TRACE = Path(".undercroft") / "probe.txt"


@task(retries=3, timeout=60)
async def mark(*, number: int) -> dict[str, int]:
    await asyncio.sleep(0.2)
    with TRACE.open("a", encoding="utf-8") as trace:
        trace.write(f"{number}\n")
    return {"number": number}
