"""Jobs that leave a line behind each time they run."""

import asyncio
from pathlib import Path

from undercroft.modules.probe.tasks.stubborn import block_loop, brief, ignore_cancellation, outlast_timeout

from undercroft.jobs import task

__all__ = ["STUBBORN", "brief", "mark"]

STUBBORN = (block_loop, outlast_timeout, ignore_cancellation)

TRACE = Path(".undercroft") / "probe.txt"


@task(retries=3, timeout=60)
async def mark(*, number: int) -> dict[str, int]:
    await asyncio.sleep(0.2)
    with TRACE.open("a", encoding="utf-8") as trace:
        trace.write(f"{number}\n")
    return {"number": number}
