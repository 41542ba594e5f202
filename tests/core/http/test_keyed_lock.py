"""Turns: one at a time by key, and nothing is left behind."""

import asyncio

import pytest

from undercroft.core.http.keyed_lock import KeyedLocks


async def test_one_at_a_time_has_the_turn_of_a_key() -> None:
    turns, inside = KeyedLocks[int](), [0]

    async def work() -> int:
        async with turns.acquire("k", timeout=5):
            inside[0] += 1
            most = inside[0]
            await asyncio.sleep(0)
            inside[0] -= 1
            return most

    assert await asyncio.gather(*(work() for _ in range(50))) == [1] * 50
    assert len(turns) == 0


async def test_what_one_leaves_the_next_finds() -> None:
    turns = KeyedLocks[int]()

    async def work(number: int) -> int | None:
        async with turns.acquire("k", timeout=5) as turn:
            found, turn.result = turn.result, number
            await asyncio.sleep(0)
            return found

    assert await asyncio.gather(work(1), work(2), work(3)) == [None, 1, 2]
    async with turns.acquire("k", timeout=5) as turn:
        assert turn.result is None


async def test_another_key_does_not_wait() -> None:
    turns = KeyedLocks[int]()
    async with turns.acquire("a", timeout=5), turns.acquire("b", timeout=0.01):
        assert len(turns) == 2


async def test_who_waits_too_long_or_is_cancelled_leaves_nothing_behind() -> None:
    turns = KeyedLocks[int]()

    async def work() -> None:
        async with turns.acquire("k", timeout=60):
            raise AssertionError

    async with turns.acquire("k", timeout=5):
        with pytest.raises(TimeoutError):
            async with turns.acquire("k", timeout=0.01):
                raise AssertionError
        waiting = asyncio.create_task(work())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert len(turns) == 0
