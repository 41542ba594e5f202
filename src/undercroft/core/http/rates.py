"""Rates such as `60/minute`, and their sliding window counters, in this process or in Redis.

The counters use two fixed windows; the previous one is weighted by the part of it that lies within the last period:
`estimate = previous * (1 - elapsed) + current`. Refused hits are not counted.
"""

import asyncio
import hashlib
import math
import re
import time
from functools import lru_cache
from types import ModuleType
from typing import Any, cast

import structlog
from msgspec import Struct

from undercroft.core.cache import Cache

log = structlog.get_logger("undercroft.security")

MAX_KEYS = 100_000
RETRY_SECONDS = 1.0
PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_NOTATION = re.compile(r"(\d{1,9})\s*/\s*(?:(\d{1,5})\s*)?(second|minute|hour|day)s?", re.IGNORECASE)


class Rate(Struct, frozen=True):
    """At most `times` hits in any `seconds`."""

    times: int
    seconds: int

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> "Rate":
        """Parse `60/minute` or `5/10 seconds`. Raises `ValueError` with the expected format."""
        match = _NOTATION.fullmatch(text.strip())
        if match is None or int(match[1]) < 1 or match[2] == "0":
            raise ValueError(f"{text!r} is not a rate: use 60/minute, 5/10 seconds, 1000/hour or 10000/day")
        return Rate(int(match[1]), int(match[2] or 1) * PERIODS[match[3].lower()])

    def scaled(self, factor: float) -> "Rate":
        """The rate with `times` multiplied by a factor, at least 1."""
        return Rate(max(1, round(self.times * factor)), self.seconds)

    def __str__(self) -> str:
        name = next(name for name, seconds in reversed(PERIODS.items()) if self.seconds % seconds == 0)
        count = self.seconds // PERIODS[name]
        return f"{self.times}/{name}" if count == 1 else f"{self.times}/{count} {name}s"


class RateLimitResult(Struct, frozen=True):
    """Result of a hit: `remaining` hits are left, the window ends in `reset` seconds.

    `retry_after` is the number of whole seconds until a hit is allowed again; 0 if this one was allowed.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`X-RateLimit-Limit`, `-Remaining` and `-Reset` as raw headers."""
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset),
        ]


class MemoryCounters:
    """Counters in this process. Each period has two windows of at most 100,000 keys; the oldest keys are evicted."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._periods: dict[int, tuple[int, dict[str, int], dict[str, int]]] = {}

    def hit(self, key: str, rate: Rate, now: float | None = None) -> RateLimitResult:
        """Count a hit if it is allowed, at time `now` in seconds."""
        index, offset = divmod(time.time() if now is None else now, rate.seconds)
        known = self._periods.get(rate.seconds)
        if known is None or known[0] != index:
            known = self._roll_windows(rate.seconds, int(index))
        _, current, before = known
        count, previous = current.get(key, 0), before.get(key, 0)
        allowed = previous * (1 - offset / rate.seconds) + count + 1 <= rate.times
        if allowed:
            if count == 0 and len(current) >= self._max_keys:
                del current[next(iter(current))]
            current[key] = count + 1
        return _evaluate(rate, count, previous, offset, allowed=allowed)

    def _roll_windows(self, seconds: int, index: int) -> tuple[int, dict[str, int], dict[str, int]]:
        known = self._periods.get(seconds)
        before = known[1] if known is not None and known[0] == index - 1 else {}
        windows = self._periods[seconds] = (index, {}, before)
        return windows


def _evaluate(rate: Rate, count: int, previous: int, offset: float, *, allowed: bool) -> RateLimitResult:
    """The result for `count` earlier hits in this window and `previous` in the last one, `offset` seconds into it."""
    reset = math.ceil(rate.seconds - offset)
    if allowed:
        remaining = int(rate.times - previous * (1 - offset / rate.seconds) - count - 1)
        return RateLimitResult(True, rate.times, remaining, reset, 0)
    if count < rate.times:
        wait = rate.seconds * (1 - (rate.times - 1 - count) / previous) - offset
    else:
        wait = rate.seconds - offset + rate.seconds * (1 - (rate.times - 1) / count)
    return RateLimitResult(False, rate.times, 0, reset, max(1, math.ceil(wait)))


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
local allowed = previous * (1 - offset / seconds) + count + 1 <= times
if allowed then
  redis.call('HSET', KEYS[1], 'i', index, 'c', count + 1, 'p', previous)
  redis.call('EXPIRE', KEYS[1], seconds * 2)
end
return string.format('%d %d %d %f', allowed and 1 or 0, count, previous, offset)
"""
SCRIPT_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class RedisCounters:
    """Counters in Redis, updated by one atomic script with the server's clock.

    If the server fails or takes longer than 100 ms, hits are allowed uncounted for a second, then one request retries.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._semaphore = asyncio.Semaphore(cache.max_connections)
        self._failing = False
        self._next_try = 0.0
        self._logged_until = 0.0

    async def hit(self, key: str, rate: Rate) -> RateLimitResult | None:
        """The result, or None if Redis is unavailable. A burst waits, so that it cannot exhaust the connections."""
        async with self._semaphore:
            return None if self._is_paused() else await self._count_hit(key, rate)

    def _is_paused(self) -> bool:
        """Whether the server failed less than a second ago. Otherwise the caller is the one that retries."""
        if not self._failing:
            return False
        now = time.monotonic()
        if now < self._next_try:
            return True
        self._next_try = now + RETRY_SECONDS
        return False

    async def _count_hit(self, key: str, rate: Rate) -> RateLimitResult | None:
        try:
            response: bytes = await self._run_script(1, f"rl:{{{key}}}", rate.times, rate.seconds)
        except (OSError, _redis_errors().RedisError) as error:
            self._on_failure(error)
            return None
        if self._failing:
            self._failing = False
            log.info("rate_limit.redis_recovered")
        allowed, count, previous, offset = response.split()
        return _evaluate(rate, int(count), int(previous), float(offset), allowed=allowed == b"1")

    async def _run_script(self, *arguments: str | int) -> Any:
        execute = cast(Any, self._cache.quick).execute_command
        try:
            return await execute("EVALSHA", SCRIPT_SHA, *arguments)
        except _redis_errors().NoScriptError:
            return await execute("EVAL", SCRIPT, *arguments)

    def _on_failure(self, error: Exception) -> None:
        """Pause for a second. When several requests fail together, only the first one is logged."""
        now = time.monotonic()
        reported = self._failing and now < self._logged_until
        self._failing = True
        self._next_try = now + RETRY_SECONDS
        if not reported:
            self._logged_until = now + RETRY_SECONDS
            log.warning("rate_limit.redis_unavailable", cause=f"{type(error).__name__}: {error}")


def _redis_errors() -> ModuleType:
    from redis import exceptions

    return exceptions
