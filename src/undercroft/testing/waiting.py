"""Waits for something that happens outside of the test."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def eventually(condition: Callable[[], T | Awaitable[T]], *, timeout: float = 30, interval: float = 0.02) -> T:
    """Call a function, which may be async, until its result is true, and return the result.

    Raises `AssertionError` after `timeout` seconds, with the last result or the last `AssertionError` of the function.
    Other errors are raised at once. The function is called every `interval` seconds, at least once.

        async def test_worker_writes_the_result() -> None:
            results: list[str] = []
            asyncio.get_running_loop().call_later(0.05, results.append, "done")
            assert await eventually(lambda: results) == ["done"]
    """
    deadline = time.monotonic() + timeout
    while True:
        found, failure = await _call(condition)
        if failure is None and found:
            return found  # type: ignore[no-any-return]
        if time.monotonic() >= deadline:
            reason = failure or f"the last result is {found!r}"
            raise AssertionError(f"The condition was not met within {timeout:g} s: {reason}") from failure
        await asyncio.sleep(interval)


async def _call(condition: Callable[[], Any]) -> tuple[Any, AssertionError | None]:
    try:
        found = condition()
        return (await found if inspect.isawaitable(found) else found), None
    except AssertionError as error:
        return None, error
