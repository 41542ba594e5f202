"""One at a time, by key, within a process: whoever waits holds nothing but its place."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class KeyedLock(Generic[T]):
    """What those who want the same key at the same time share; `result` is what the one before left for the next."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0
        self.result: T | None = None


class KeyedLocks(Generic[T]):
    """The turns that somebody has or waits for; nothing is kept of the others."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, KeyedLock[T]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def acquire(self, key: Hashable, *, timeout: float) -> AsyncIterator[KeyedLock[T]]:
        """Have the turn of this key for as long as the block runs. Raises `TimeoutError` after `timeout` seconds."""
        turn = self._locks.setdefault(key, KeyedLock())
        turn.users += 1
        try:
            await asyncio.wait_for(turn.lock.acquire(), timeout)
            try:
                yield turn
            finally:
                turn.lock.release()
        finally:
            turn.users -= 1
            if not turn.users:
                del self._locks[key]
