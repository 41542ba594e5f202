"""CPU work off the event loop, with a bound on how much runs and how much waits."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

from undercroft.core.errors import ServiceUnavailable

R = TypeVar("R")


class TooBusy(ServiceUnavailable):
    code = "TOO_BUSY"
    message = "Too many sign-ins at once. Try again in a moment."


class BoundedThreads:
    """A pool of threads of its own, with a queue that refuses instead of growing.

    At most `parallel` calls run and at most `queue` wait, each for at most `patience` seconds; then `TooBusy`. One
    `subject` (an address, say) has one call here at a time, and up to `turns` of its others wait outside the queue for
    three times as long: so many requests about one account cannot take all places.
    """

    def __init__(self, *, parallel: int, queue: int = 32, patience: float = 5, turns: int = 64) -> None:
        self.parallel = parallel
        self._queue = queue
        self._patience = patience
        self._turns = turns
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="undercroft-cpu")
        self._waiting = 0
        self._slots: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}
        self._subjects: dict[str, _Turns] = {}

    async def run(self, work: Callable[[], R], *, subject: str) -> R:
        """What `work` returns. Raises `TooBusy`. A caller that goes away frees its place when the thread has ended."""
        turns = self._subjects.get(subject) or self._subjects.setdefault(subject, _Turns())
        if turns.users > self._turns:
            raise TooBusy(retry_after=5)
        turns.users += 1
        try:
            await _wait(turns.lock.acquire(), 3 * self._patience)
            try:
                return await self._queued(work)
            finally:
                turns.lock.release()
        finally:
            turns.users -= 1
            if not turns.users:
                self._subjects.pop(subject, None)

    async def _queued(self, work: Callable[[], R]) -> R:
        slots = self._slots_of_this_loop()
        if slots.locked() and self._waiting >= self._queue:
            raise TooBusy(retry_after=2)
        self._waiting += 1
        try:
            await _wait(slots.acquire(), self._patience)
        finally:
            self._waiting -= 1
        running = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(self._threads, work))
        running.add_done_callback(lambda _: slots.release())
        return await asyncio.shield(running)

    def _slots_of_this_loop(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        if loop not in self._slots:
            self._slots = {loop: asyncio.Semaphore(self.parallel)}
        return self._slots[loop]


async def _wait(turn: Coroutine[Any, Any, Literal[True]], seconds: float) -> None:
    try:
        await asyncio.wait_for(turn, seconds)
    except TimeoutError:
        raise TooBusy(retry_after=5) from None


class _Turns:
    """The callers of one subject, one of whom has the lock."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0
