"""Runs the lifespan of an ASGI application in a single task, as a server does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def run_lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Start the application and stop it after the block; yields the lifespan state.

    Raises the application's exception, or `RuntimeError` with its message if it reports a failure.
    """
    state: dict[str, Any] = {}
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    task = asyncio.create_task(app(scope, inbox.get, outbox.put))
    await _send_phase(task, inbox, outbox, "startup")
    try:
        yield state
    finally:
        await _send_phase(task, inbox, outbox, "shutdown")
        await task


async def _send_phase(
    task: asyncio.Task[None], inbox: asyncio.Queue[Any], outbox: asyncio.Queue[dict[str, Any]], phase: str
) -> None:
    inbox.put_nowait({"type": f"lifespan.{phase}"})
    response = asyncio.create_task(outbox.get())
    await asyncio.wait({task, response}, return_when=asyncio.FIRST_COMPLETED)
    if not response.done():
        response.cancel()
        task.result()
        raise RuntimeError(f"The application ended during {phase}.")
    if response.result()["type"] != f"lifespan.{phase}.complete":
        await task
        raise RuntimeError(response.result().get("message") or f"The application's {phase} failed.")
