"""Work that is repeated in the background."""

import asyncio

from undercroft.core.periodic import Periodic


async def test_periodic_continues_after_an_error() -> None:
    calls, called_twice = 0, asyncio.Event()

    async def fail_once() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError
        called_twice.set()

    periodic = Periodic("test", 0.01, fail_once)
    async with asyncio.timeout(5):
        await called_twice.wait()
    await periodic.close()


async def test_closed_periodic_has_ended() -> None:
    before = asyncio.all_tasks()

    async def never() -> None:
        raise AssertionError("it was closed before")

    periodic = Periodic("test", 3600, never)
    assert len(asyncio.all_tasks() - before) == 1
    await periodic.close()
    assert asyncio.all_tasks() == before
