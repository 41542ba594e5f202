import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from tests.core.tcp_proxy import TcpProxy
from tests.jobs.processes import wait_until
from undercroft.core.cache import Cache, RedisSettings
from undercroft.core.http import rates
from undercroft.core.http.rates import MemoryCounters, Rate, RedisCounters

RATE = Rate(10, 60)


class TestMemory:
    def test_hits_are_allowed_up_to_the_limit(self) -> None:
        counters = MemoryCounters()
        results = [counters.hit("a", RATE, now=6000.0) for _ in range(11)]

        assert [result.remaining for result in results] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
        assert [result.allowed for result in results] == [True] * 10 + [False]
        assert (results[0].limit, results[0].reset, results[0].retry_after) == (10, 60, 0)

    def test_rest_of_a_second_counts_as_a_second(self) -> None:
        result = MemoryCounters().hit("a", Rate(1, 60), now=6000.5)

        assert (result.remaining, result.reset) == (0, 60)

    def test_keys_and_rates_are_counted_separately(self) -> None:
        counters = MemoryCounters()
        for _ in range(10):
            counters.hit("a", RATE, now=6000.0)

        assert counters.hit("b", RATE, now=6000.0).allowed
        assert counters.hit("a", Rate(10, 3600), now=6000.0).allowed

    def test_hits_of_the_previous_window_count_in_part(self) -> None:
        counters = MemoryCounters()
        for _ in range(4):
            counters.hit("a", RATE, now=6000.0)

        result = counters.hit("a", RATE, now=6075.0)

        assert (result.remaining, result.reset) == (6, 45), "10 less three quarters of 4 hits less this one"

    def test_window_boundary_allows_no_burst(self) -> None:
        counters = MemoryCounters()
        for _ in range(10):
            counters.hit("a", RATE, now=6059.9)

        assert not counters.hit("a", RATE, now=6060.1).allowed
        allowed = sum(counters.hit("a", RATE, now=6090.0).allowed for _ in range(10))
        assert allowed == 5

    @pytest.mark.parametrize("offset", [0, 13, 30, 59])
    @pytest.mark.parametrize("before", [0, 3, 10])
    def test_hit_is_allowed_exactly_after_retry_after(self, offset: int, before: int) -> None:
        counters = MemoryCounters()
        for _ in range(before):
            counters.hit("a", RATE, now=5940.0)
        now = 6000.0 + offset
        while (result := counters.hit("a", RATE, now=now)).allowed:
            pass

        assert not counters.hit("a", RATE, now=now + result.retry_after - 1.001).allowed
        assert counters.hit("a", RATE, now=now + result.retry_after).allowed

    def test_refused_hits_are_not_counted(self) -> None:
        counters = MemoryCounters()
        for _ in range(1000):
            counters.hit("a", RATE, now=6000.0)

        assert counters.hit("a", RATE, now=6120.0).allowed

    def test_memory_is_bounded_and_released(self) -> None:
        counters = MemoryCounters(max_keys=100)
        for number in range(10_000):
            counters.hit(str(number), RATE, now=6000.0)
        _, current, _ = counters._periods[60]
        assert len(current) == 100

        counters.hit("a", RATE, now=6200.0)
        _, current, before = counters._periods[60]
        assert (len(current), len(before)) == (1, 0)

    def test_known_key_replaces_no_other_when_memory_is_full(self) -> None:
        counters = MemoryCounters(max_keys=2)
        for key in ("a", "b", "b", "b"):
            counters.hit(key, RATE, now=6000.0)

        assert [counters.hit(key, RATE, now=6000.0).remaining for key in ("a", "b")] == [8, 6]


@pytest.fixture
async def tcp_proxy(redis_url: str) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(redis_url) as tcp_proxy:
        yield tcp_proxy


@pytest.fixture
async def cache(tcp_proxy: TcpProxy) -> AsyncIterator[Cache]:
    cache = Cache(RedisSettings(redis_url=SecretStr(tcp_proxy.url)))
    yield cache
    await cache.close()


class TestRedis:
    @pytest.fixture
    def generous_timeout(self, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
        """Redis may respond late on a busy machine, and limits are not enforced then."""
        monkeypatch.setattr("undercroft.core.cache.client.QUICK_TIMEOUT", 10.0)
        monkeypatch.setattr(cache, "_settings", RedisSettings(redis_url=SecretStr(cache.url), redis_timeout=10))

    @pytest.mark.usefixtures("generous_timeout")
    async def test_hits_of_all_processes_are_counted_together(self, cache: Cache, redis_url: str) -> None:
        other = Cache(RedisSettings(redis_url=SecretStr(redis_url), redis_timeout=10))
        rate = Rate(10, 86400)
        hits = [RedisCounters(each).hit("a", rate) for each in [cache, other] * 20]
        results = [result for result in await asyncio.gather(*hits) if result is not None]
        await other.close()

        assert len(results) == 40
        assert sum(result.allowed for result in results) == 10
        refused = next(result for result in results if not result.allowed)
        assert (refused.limit, refused.remaining) == (10, 0)
        assert refused.retry_after >= 1

    @pytest.mark.usefixtures("generous_timeout")
    async def test_keys_expire(self, cache: Cache) -> None:
        await RedisCounters(cache).hit("a{b}", Rate(10, 60))

        (key,) = await cache.client.keys("*")
        assert 60 < await cache.client.ttl(key) <= 120

    @pytest.mark.usefixtures("generous_timeout")
    async def test_script_is_sent_again_after_a_flush(self, cache: Cache) -> None:
        counters = RedisCounters(cache)
        await counters.hit("a", RATE)
        await cache.client.script_flush()

        result = await counters.hit("a", RATE)
        assert result is not None
        assert result.remaining <= 8

    @pytest.mark.usefixtures("generous_timeout")
    @pytest.mark.parametrize("age", [2, 5])
    async def test_hits_of_older_windows_than_the_previous_one_do_not_count(self, cache: Cache, age: int) -> None:
        rate = Rate(10, 10**9)
        seconds, _ = await cache.client.time()
        old = {"i": seconds // rate.seconds - age, "c": 10, "p": 10}
        await cache.client.hset("rl:{a}", mapping=old)

        result = await RedisCounters(cache).hit("a", rate)
        assert result is not None
        assert (result.allowed, result.remaining) == (True, 9)

    async def test_simultaneous_failures_are_logged_once(
        self, cache: Cache, tcp_proxy: TcpProxy, read_logs: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counters, all_wait = RedisCounters(cache), asyncio.Barrier(5)

        async def fail(*_: object) -> None:
            await all_wait.wait()
            raise ConnectionError("expected")

        monkeypatch.setattr(counters, "_run_script", fail)
        assert await asyncio.gather(*(counters.hit("a", RATE) for _ in range(5))) == [None] * 5
        assert read_logs().count("rate_limit.redis_unavailable") == 1

    async def test_one_of_several_requests_retries_after_a_second(
        self, cache: Cache, read_logs: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counters, attempts, now = RedisCounters(cache), list[float](), [1000.0]

        async def fail(*_: object) -> None:
            attempts.append(now[0])
            await asyncio.sleep(0)
            raise ConnectionError("expected")

        monkeypatch.setattr(counters, "_run_script", fail)
        monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: now[0]))
        for moment in (1000.0, 1000.9, 1001.0, 1001.9):
            now[0] = moment
            await asyncio.gather(*(counters.hit("a", RATE) for _ in range(5 if attempts else 1)))
        assert attempts == [1000.0, 1001.0]
        assert read_logs().count("rate_limit.redis_unavailable") == 2

    async def test_hits_are_allowed_while_redis_is_down_and_counted_after_its_recovery(
        self, cache: Cache, tcp_proxy: TcpProxy, read_logs: Callable[[], str]
    ) -> None:
        counters = RedisCounters(cache)
        assert await counters.hit("a", RATE) is not None
        await tcp_proxy.close()
        assert [await counters.hit("a", RATE) for _ in range(500)] == [None] * 500
        assert read_logs().count("rate_limit.redis_unavailable") == 1

        await tcp_proxy.open()
        async with asyncio.timeout(10):
            while await counters.hit("a", RATE) is None:
                await asyncio.sleep(0.05)
        assert "rate_limit.redis_recovered" in read_logs()

    async def test_unresponsive_redis_delays_one_request_by_100_ms_and_no_other(
        self, cache: Cache, tcp_proxy: TcpProxy
    ) -> None:
        counters = RedisCounters(cache)
        await counters.hit("a", RATE)
        tcp_proxy.pause()
        assert await counters.hit("a", RATE) is None

        async with asyncio.timeout(5):
            assert [await counters.hit("a", RATE) for _ in range(1000)].count(None) == 1000
        tcp_proxy.resume()

    async def test_restarted_redis_is_used_immediately(self, cache: Cache, tcp_proxy: TcpProxy) -> None:
        counters = RedisCounters(cache)
        await counters.hit("a", RATE)
        await tcp_proxy.close()
        await tcp_proxy.open()

        assert await counters.hit("a", RATE) is not None

    @pytest.mark.usefixtures("generous_timeout")
    async def test_burst_is_counted_completely_over_few_connections(self, tcp_proxy: TcpProxy) -> None:
        settings = RedisSettings(redis_url=SecretStr(tcp_proxy.url), redis_max_connections=3, redis_timeout=10)
        cache = Cache(settings)
        counters, rate = RedisCounters(cache), Rate(10, 86400)
        results = await asyncio.gather(*(counters.hit("a", rate) for _ in range(500)))
        connections = tcp_proxy.open_connections
        await cache.close()

        assert [result is not None and result.allowed for result in results].count(True) == 10
        assert None not in results
        assert connections == 3

    async def test_burst_is_allowed_with_one_warning_while_redis_is_unresponsive(
        self, cache: Cache, tcp_proxy: TcpProxy, read_logs: Callable[[], str]
    ) -> None:
        counters = RedisCounters(cache)
        await counters.hit("a", RATE)
        tcp_proxy.pause()
        async with asyncio.timeout(10):
            results = await asyncio.gather(*(counters.hit("a", RATE) for _ in range(300)))
        tcp_proxy.resume()

        assert results == [None] * 300
        assert read_logs().count("rate_limit.redis_unavailable") == 1

    async def test_canceled_hit_leaves_no_response_on_its_connection(self, cache: Cache, tcp_proxy: TcpProxy) -> None:
        counters, rate = RedisCounters(cache), Rate(10, 86400)
        await counters.hit("a", rate)
        tcp_proxy.pause()
        hit = asyncio.create_task(counters.hit("a", rate))
        for _ in range(10):
            await asyncio.sleep(0)
        hit.cancel()
        await asyncio.gather(hit, return_exceptions=True)
        tcp_proxy.resume()

        result = await counters.hit("b", rate)
        assert result is not None
        assert result.remaining == 9

    async def test_hits_are_allowed_when_the_password_is_wrong(
        self, tcp_proxy: TcpProxy, read_logs: Callable[[], str]
    ) -> None:
        async def all_are_closed() -> bool:
            return tcp_proxy.open_connections == 0

        wrong = tcp_proxy.url.replace("redis://:", "redis://:wrong")
        cache = Cache(RedisSettings(redis_url=SecretStr(wrong)))
        results = await asyncio.gather(*(RedisCounters(cache).hit("a", RATE) for _ in range(20)))
        await wait_until(all_are_closed)
        await cache.close()

        assert results == [None] * 20
        assert wrong.split("@")[0].rpartition(":")[2] not in read_logs()

    @pytest.mark.parametrize("response", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xfe\r\n", b""])
    async def test_hits_are_allowed_when_the_server_is_not_redis(self, response: bytes) -> None:
        async def send_garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(response)
            writer.close()

        async with await asyncio.start_server(send_garbage, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            cache = Cache(RedisSettings(redis_url=SecretStr(f"redis://127.0.0.1:{port}")))
            assert await RedisCounters(cache).hit("a", RATE) is None
            await cache.close()

    async def test_hits_are_allowed_when_the_connection_is_refused(self, read_logs: Callable[[], str]) -> None:
        cache = Cache(RedisSettings(redis_url=SecretStr("redis://:secret-word@127.0.0.1:1/0")))

        assert await RedisCounters(cache).hit("a", RATE) is None
        assert "secret-word" not in read_logs()
        await cache.close()
