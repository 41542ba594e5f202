import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from pydantic import SecretStr

from tests.core.tap import Tap
from undercroft.core.cache import Cache, RedisSettings
from undercroft.core.http.counters import MemoryCounters, RedisCounters
from undercroft.core.http.rates import Rate

RATE = Rate(10, 60)


class TestMemory:
    def test_as_many_as_allowed_and_not_one_more(self) -> None:
        counters = MemoryCounters()
        verdicts = [counters.hit("a", RATE, now=6000.0) for _ in range(11)]

        assert [verdict.remaining for verdict in verdicts] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
        assert [verdict.allowed for verdict in verdicts] == [True] * 10 + [False]
        assert (verdicts[0].limit, verdicts[0].reset, verdicts[0].retry_after) == (10, 60, 0)

    def test_keys_and_rates_do_not_disturb_one_another(self) -> None:
        counters = MemoryCounters()
        for _ in range(10):
            counters.hit("a", RATE, now=6000.0)

        assert counters.hit("b", RATE, now=6000.0).allowed
        assert counters.hit("a", Rate(10, 3600), now=6000.0).allowed

    def test_no_burst_at_the_turn_of_the_window(self) -> None:
        counters = MemoryCounters()
        for _ in range(10):
            counters.hit("a", RATE, now=6059.9)

        assert not counters.hit("a", RATE, now=6060.1).allowed
        allowed = sum(counters.hit("a", RATE, now=6090.0).allowed for _ in range(10))
        assert allowed == 5

    @pytest.mark.parametrize("offset", [0, 13, 30, 59])
    @pytest.mark.parametrize("before", [0, 3, 10])
    def test_whoever_waits_as_told_is_let_in_and_no_sooner(self, offset: int, before: int) -> None:
        counters = MemoryCounters()
        for _ in range(before):
            counters.hit("a", RATE, now=5940.0)
        now = 6000.0 + offset
        while (verdict := counters.hit("a", RATE, now=now)).allowed:
            pass

        assert not counters.hit("a", RATE, now=now + verdict.retry_after - 1.001).allowed
        assert counters.hit("a", RATE, now=now + verdict.retry_after).allowed

    def test_refused_hits_do_not_count(self) -> None:
        counters = MemoryCounters()
        for _ in range(1000):
            counters.hit("a", RATE, now=6000.0)

        assert counters.hit("a", RATE, now=6120.0).allowed

    def test_memory_is_bounded_and_given_back(self) -> None:
        counters = MemoryCounters(max_keys=100)
        for number in range(10_000):
            counters.hit(str(number), RATE, now=6000.0)
        _, current, _ = counters._periods[60]
        assert len(current) == 100

        counters.hit("a", RATE, now=6200.0)
        _, current, before = counters._periods[60]
        assert (len(current), len(before)) == (1, 0)


@pytest.fixture
async def tap(redis_url: str) -> AsyncIterator[Tap]:
    async with Tap(redis_url) as tap:
        yield tap


@pytest.fixture
async def cache(tap: Tap) -> AsyncIterator[Cache]:
    cache = Cache(RedisSettings(redis_url=SecretStr(tap.url)))
    yield cache
    await cache.close()


class TestRedis:
    async def test_as_many_as_allowed_over_all_processes(self, cache: Cache, redis_url: str) -> None:
        other = Cache(RedisSettings(redis_url=SecretStr(redis_url)))
        rate = Rate(10, 86400)
        hits = [RedisCounters(each.pipe).hit("a", rate) for each in [cache, other] * 20]
        verdicts = [verdict for verdict in await asyncio.gather(*hits) if verdict is not None]
        await other.close()

        assert len(verdicts) == 40
        assert sum(verdict.allowed for verdict in verdicts) == 10
        refused = next(verdict for verdict in verdicts if not verdict.allowed)
        assert (refused.limit, refused.remaining) == (10, 0)
        assert refused.retry_after >= 1

    async def test_keys_are_forgotten(self, cache: Cache) -> None:
        await RedisCounters(cache.pipe).hit("a{b}", Rate(10, 60))

        (key,) = await cache.client.keys("*")
        assert 60 <= await cache.client.ttl(key) <= 120

    async def test_a_flushed_script_is_sent_again(self, cache: Cache) -> None:
        counters = RedisCounters(cache.pipe)
        await counters.hit("a", RATE)
        await cache.client.script_flush()

        verdict = await counters.hit("a", RATE)
        assert verdict is not None
        assert verdict.remaining <= 8

    async def test_a_dead_server_lets_pass_and_comes_back_by_itself(
        self, cache: Cache, tap: Tap, logged: Callable[[], str]
    ) -> None:
        counters = RedisCounters(cache.pipe)
        assert await counters.hit("a", RATE) is not None
        await tap.close()
        assert [await counters.hit("a", RATE) for _ in range(500)] == [None] * 500
        assert logged().count("requests are not limited") == 1

        await tap.open()
        async with asyncio.timeout(10):
            while await counters.hit("a", RATE) is None:
                await asyncio.sleep(0.05)
        assert "on Redis again" in logged()

    async def test_a_silent_server_costs_one_request_a_tenth_of_a_second_and_the_others_nothing(
        self, cache: Cache, tap: Tap
    ) -> None:
        counters = RedisCounters(cache.pipe)
        await counters.hit("a", RATE)
        tap.silence()
        assert await counters.hit("a", RATE) is None

        async with asyncio.timeout(5):
            assert [await counters.hit("a", RATE) for _ in range(1000)].count(None) == 1000
        tap.flow()

    async def test_a_restarted_server_is_used_at_once(self, cache: Cache, tap: Tap) -> None:
        counters = RedisCounters(cache.pipe)
        await counters.hit("a", RATE)
        await tap.close()
        await tap.open()

        assert await counters.hit("a", RATE) is not None

    async def test_nothing_at_the_address_lets_pass(self, logged: Callable[[], str]) -> None:
        cache = Cache(RedisSettings(redis_url=SecretStr("redis://:secret-word@127.0.0.1:1/0")))

        assert await RedisCounters(cache.pipe).hit("a", RATE) is None
        assert "secret-word" not in logged()
        await cache.close()
