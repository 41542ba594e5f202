"""Run CPU work off the event loop, with bounds on running and waiting calls."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from undercroft.core.errors import ServiceUnavailable
from undercroft.core.keyed_lock import KeyedLocks

R = TypeVar("R")


class TooBusy(ServiceUnavailable):
    code = "TOO_BUSY"
    message = "Too many sign-ins at once. Try again in a moment."


_too_busy = partial(TooBusy, retry_after=5)


class BoundedThreads:
    """A thread pool with a queue that refuses calls instead of growing.

    At most `parallel` calls run and at most `queue` wait, each for at most `max_wait` seconds; then it raises
    `TooBusy`. One `subject` (such as an email address) has one call in the pool at a time, and up to
    `max_waiting_per_subject` other calls wait outside the queue for three times as long: requests about one account
    cannot fill the queue.
    """

    def __init__(
        self, *, parallel: int, queue: int = 32, max_wait: float = 5, max_waiting_per_subject: int = 64
    ) -> None:
        self.parallel = parallel
        self._queue = queue
        self._max_wait = max_wait
        self._max_waiting_per_subject = max_waiting_per_subject
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="undercroft-cpu")
        self._waiting = 0
        self._slots: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}
        self._subjects: KeyedLocks[None] = KeyedLocks()

    async def run(self, work: Callable[[], R], *, subject: str) -> R:
        """Return the result of `work`. Raises `TooBusy`. If the caller is canceled, its slot is released when the
        thread ends.
        """
        if self._subjects.users(subject) > self._max_waiting_per_subject:
            raise _too_busy()
        async with self._subjects.acquire(subject, timeout=3 * self._max_wait, error=_too_busy):
            return await self._run_queued(work)

    async def _run_queued(self, work: Callable[[], R]) -> R:
        slots = self._get_slots()
        if slots.locked() and self._waiting >= self._queue:
            raise TooBusy(retry_after=2)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._max_wait):
                await slots.acquire()
        except TimeoutError:
            raise _too_busy() from None
        finally:
            self._waiting -= 1
        run = copy_context().run  # otherwise the thread would load the settings of the process
        running = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(self._threads, run, work))
        running.add_done_callback(lambda _: slots.release())
        return await asyncio.shield(running)

    def _get_slots(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        if loop not in self._slots:
            self._slots = {loop: asyncio.Semaphore(self.parallel)}
        return self._slots[loop]
