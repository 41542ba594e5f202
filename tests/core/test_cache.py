import pytest
from pydantic import SecretStr, ValidationError
from redis.exceptions import RedisError

from undercroft.core.cache import Cache, RedisSettings


def settings(url: str) -> RedisSettings:
    return RedisSettings(redis_url=SecretStr(url), redis_timeout=0.2)


async def test_ping_returns_the_milliseconds_of_a_running_server(redis_url: str) -> None:
    cache = Cache(settings(redis_url))

    assert bool(cache)
    assert await cache.ping() > 0
    await cache.close()


async def test_cache_reconnects_after_close(redis_url: str) -> None:
    cache = Cache(settings(redis_url))
    await cache.ping()
    await cache.close()
    await cache.close()

    assert await cache.ping() > 0
    await cache.close()


async def test_cache_connects_on_the_first_command() -> None:
    cache = Cache(settings("redis://127.0.0.1:1"))

    assert cache.client is cache.client
    with pytest.raises((RedisError, OSError)):
        await cache.ping()
    await cache.close()


def test_cache_is_false_without_a_url() -> None:
    assert not Cache(settings(""))


@pytest.mark.parametrize("url", ["http://x", "localhost:6379", "redis://", "redis://x:port", "redis:/x"])
def test_invalid_url_is_refused_without_repeating_its_value(url: str) -> None:
    with pytest.raises(ValidationError, match="must look like redis://") as error:
        settings(url)
    assert url not in str(error.value).replace("redis://:password@host:6379/0", "")
