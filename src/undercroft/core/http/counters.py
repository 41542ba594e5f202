"""Sliding windows, counted in this process or on Redis.

Two fixed windows, the earlier one weighted by how much of it still lies within the last period: `estimate = before *
(1 - elapsed) + now`. A refused hit is not counted.
"""

import asyncio
import hashlib
import math
import time
from dataclasses import dataclass
from typing import Any, cast

import structlog

from undercroft.core.cache import Cache
from undercroft.core.http.rates import Rate

log = structlog.get_logger("undercroft.security")

MAX_KEYS = 100_000
REDIS_TIMEOUT = 0.1
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a hit was allowed; `remaining` hits are left, `reset` seconds until the window has passed.

    `retry_after` is the number of whole seconds after which one hit is allowed again; 0 when it was allowed.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`X-RateLimit-Limit`, `-Remaining` and `-Reset`, raw."""
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset),
        ]


class MemoryCounters:
    """Counts in this process. Each period keeps two windows; at most 100,000 keys each, the oldest give way."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._periods: dict[int, tuple[int, dict[str, int], dict[str, int]]] = {}

    def hit(self, key: str, rate: Rate, now: float | None = None) -> Verdict:
        index, offset = divmod(time.time() if now is None else now, rate.seconds)
        known = self._periods.get(rate.seconds)
        if known is None or known[0] != index:
            known = self._turn(rate.seconds, int(index))
        _, current, before = known
        count, previous = current.get(key, 0), before.get(key, 0)
        left = 1 - offset / rate.seconds
        if previous * left + count + 1 > rate.times:
            return _refused(rate, count, previous, offset)
        if count == 0 and len(current) >= self._max_keys:
            del current[next(iter(current))]
        current[key] = count + 1
        remaining = int(rate.times - previous * left - count - 1)
        return Verdict(True, rate.times, remaining, math.ceil(rate.seconds - offset), 0)

    def _turn(self, seconds: int, index: int) -> tuple[int, dict[str, int], dict[str, int]]:
        known = self._periods.get(seconds)
        before = known[1] if known is not None and known[0] == index - 1 else {}
        turned = self._periods[seconds] = (index, {}, before)
        return turned


def _refused(rate: Rate, count: int, previous: int, offset: float) -> Verdict:
    """How long to wait: until enough of the earlier window has passed, or into the next one."""
    if count < rate.times:
        wait = rate.seconds * (1 - (rate.times - 1 - count) / previous) - offset
    else:
        wait = rate.seconds - offset + rate.seconds * (1 - (rate.times - 1) / count)
    return Verdict(False, rate.times, 0, math.ceil(rate.seconds - offset), max(1, math.ceil(wait)))


SCRIPT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local times, seconds = tonumber(ARGV[1]), tonumber(ARGV[2])
local index = math.floor(now / seconds)
local offset = now - index * seconds
local known = redis.call('HMGET', KEYS[1], 'i', 'c', 'p')
local count, previous = 0, 0
if tonumber(known[1]) == index then
  count, previous = tonumber(known[2]), tonumber(known[3])
elseif tonumber(known[1]) == index - 1 then
  previous = tonumber(known[2])
end
local estimate = previous * (1 - offset / seconds) + count
if estimate + 1 > times then
  return {0, count, previous, tostring(offset), 0}
end
redis.call('HSET', KEYS[1], 'i', index, 'c', count + 1, 'p', previous)
redis.call('EXPIRE', KEYS[1], seconds * 2)
return {1, count, previous, tostring(offset), math.floor(times - estimate - 1)}
"""
SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class RedisCounters:
    """Counts on Redis by one atomic script, by the server's clock.

    When the server fails or takes longer than 100 ms, hits pass uncounted for a second, then one request tries again.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._failing = False
        self._next_try = 0.0

    async def hit(self, key: str, rate: Rate) -> Verdict | None:
        """The verdict; None when nobody can tell."""
        if self._failing:
            now = time.monotonic()
            if now < self._next_try:
                return None
            self._next_try = now + PAUSE
        try:
            async with asyncio.timeout(REDIS_TIMEOUT):
                answer = await self._run(key, rate)
        except (OSError, TimeoutError, _redis_error()) as error:
            self._failed(error)
            return None
        if self._failing:
            self._failing = False
            log.info("rate limits are counted on Redis again")
        allowed, count, previous, offset, remaining = answer
        if not allowed:
            return _refused(rate, count, previous, float(offset))
        return Verdict(True, rate.times, remaining, math.ceil(rate.seconds - float(offset)), 0)

    async def _run(self, key: str, rate: Rate) -> Any:
        from redis.exceptions import NoScriptError

        execute = cast(Any, self._cache.client).execute_command
        arguments = (1, f"rl:{{{key}}}", rate.times, rate.seconds)
        try:
            return await execute("EVALSHA", SHA, *arguments)
        except NoScriptError:
            return await execute("EVAL", SCRIPT, *arguments)

    def _failed(self, error: Exception) -> None:
        self._failing = True
        self._next_try = time.monotonic() + PAUSE
        log.warning("Redis does not answer: requests are not limited", cause=f"{type(error).__name__}: {error}")


def _redis_error() -> type[Exception]:
    from redis.exceptions import RedisError

    return RedisError
