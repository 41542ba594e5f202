"""One at a time, by key, within a process: whoever waits holds nothing but its place."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Turn(Generic[T]):
    """What those who want the same key at the same time share; `left` is what the one before left for the next."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.wanted = 0
        self.left: T | None = None


class Turns(Generic[T]):
    """The turns that somebody has or waits for; nothing is kept of the others."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, Turn[T]] = {}

    def __len__(self) -> int:
        return len(self._turns)

    @asynccontextmanager
    async def take(self, key: Hashable, *, wait: float) -> AsyncIterator[Turn[T]]:
        """Have the turn of this key for as long as the block runs. Raises `TimeoutError` after `wait` seconds."""
        turn = self._turns.setdefault(key, Turn())
        turn.wanted += 1
        try:
            await asyncio.wait_for(turn.lock.acquire(), wait)
            try:
                yield turn
            finally:
                turn.lock.release()
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[key]
