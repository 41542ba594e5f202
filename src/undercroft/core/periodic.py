"""Work that a process repeats in the background, such as writing buffered values."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

log = structlog.get_logger("undercroft.application")


class Periodic:
    """Calls a function every `seconds` from now on until it is closed. Errors are logged and do not end it."""

    def __init__(self, name: str, seconds: float, function: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._seconds = seconds
        self._function = function
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._function()
            except Exception as error:
                log.warning("periodic.failed", name=self._name, cause=f"{type(error).__name__}: {error}")
