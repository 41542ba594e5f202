import pytest
from pydantic import SecretStr, ValidationError
from redis.exceptions import RedisError

from undercroft.core.cache import Cache, RedisSettings


def settings(url: str) -> RedisSettings:
    return RedisSettings(redis_url=SecretStr(url), redis_timeout=0.2)


async def test_a_server_that_is_there_answers_in_milliseconds(redis_url: str) -> None:
    cache = Cache(settings(redis_url))

    assert bool(cache)
    assert await cache.ping() > 0
    await cache.close()


async def test_it_can_be_used_again_after_it_was_closed(redis_url: str) -> None:
    cache = Cache(settings(redis_url))
    await cache.ping()
    await cache.close()
    await cache.close()

    assert await cache.ping() > 0
    await cache.close()


async def test_nothing_is_opened_before_the_first_command() -> None:
    cache = Cache(settings("redis://127.0.0.1:1"))

    assert cache.client is cache.client
    with pytest.raises((RedisError, OSError)):
        await cache.ping()
    await cache.close()


def test_without_a_url_there_is_none() -> None:
    assert not Cache(settings(""))


@pytest.mark.parametrize("url", ["http://x", "localhost:6379", "redis://", "redis://x:port", "redis:/x"])
def test_a_url_that_is_none_says_how_it_looks_and_not_what_it_was(url: str) -> None:
    with pytest.raises(ValidationError, match="must look like redis://") as error:
        settings(url)
    assert url not in str(error.value).replace("redis://:password@host:6379/0", "")
