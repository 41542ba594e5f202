"""Keyed locks: mutual exclusion by key, without leftovers."""

import asyncio

import pytest

from undercroft.core.keyed_lock import KeyedLocks


async def test_lock_of_a_key_is_exclusive() -> None:
    locks, inside = KeyedLocks[int](), [0]

    async def work() -> int:
        async with locks.acquire("k", timeout=5):
            inside[0] += 1
            running = inside[0]
            await asyncio.sleep(0)
            inside[0] -= 1
            return running

    assert await asyncio.gather(*(work() for _ in range(50))) == [1] * 50
    assert len(locks) == 0


async def test_result_is_passed_to_the_next_holder() -> None:
    locks = KeyedLocks[int]()

    async def work(number: int) -> int | None:
        async with locks.acquire("k", timeout=5) as lock:
            previous, lock.result = lock.result, number
            await asyncio.sleep(0)
            return previous

    assert await asyncio.gather(work(1), work(2), work(3)) == [None, 1, 2]
    async with locks.acquire("k", timeout=5) as lock:
        assert lock.result is None


async def test_other_keys_do_not_wait() -> None:
    locks = KeyedLocks[int]()
    async with locks.acquire("a", timeout=5), locks.acquire("b", timeout=0.01):
        assert len(locks) == 2


async def test_timed_out_or_canceled_waiter_leaves_no_lock_behind() -> None:
    locks = KeyedLocks[int]()

    async def work() -> None:
        async with locks.acquire("k", timeout=60):
            raise AssertionError

    async with locks.acquire("k", timeout=5):
        with pytest.raises(TimeoutError):
            async with locks.acquire("k", timeout=0.01):
                raise AssertionError
        waiting = asyncio.create_task(work())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert len(locks) == 0
