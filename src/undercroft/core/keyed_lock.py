"""Locks by key within a process. A waiter holds no connection."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class KeyedLock(Generic[T]):
    """The lock of one key; `result` passes a value from one holder to the next."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0
        self.result: T | None = None


class KeyedLocks(Generic[T]):
    """The locks that are held or awaited; others are not stored."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, KeyedLock[T]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    def users(self, key: Hashable) -> int:
        """The number of holders and waiters of this key's lock."""
        lock = self._locks.get(key)
        return 0 if lock is None else lock.users

    @asynccontextmanager
    async def acquire(
        self, key: Hashable, *, timeout: float, error: Callable[[], Exception] = TimeoutError
    ) -> AsyncIterator[KeyedLock[T]]:
        """Hold the lock of this key while the block runs. Raises `error()` after `timeout` seconds."""
        lock = self._locks.setdefault(key, KeyedLock())
        lock.users += 1
        try:
            try:
                async with asyncio.timeout(timeout):
                    await lock.lock.acquire()
            except TimeoutError:
                raise error() from None
            try:
                yield lock
            finally:
                lock.lock.release()
        finally:
            lock.users -= 1
            if not lock.users:
                self._locks.pop(key, None)
