"""Redis or Valkey, where there is one: a client made at its first use, shared by everything in the process.

Without `REDIS_URL` there is none, and what would use it falls back to this process's memory.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

import structlog

from undercroft.core.cache.settings import RedisSettings
from undercroft.core.resp import Pipe
from undercroft.core.settings import CoreSettings, load

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger("undercroft.application")

PIPE_TIMEOUT = 0.1


class Cache:
    """The connection to Redis or Valkey of one event loop. Nothing is opened before the first command."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._client: Redis | None = None
        self._pipe: Pipe | None = None

    @property
    def url(self) -> str:
        return self._settings.redis_url.get_secret_value()

    def __bool__(self) -> bool:
        """Whether there is a server to speak to."""
        return bool(self.url)

    @property
    def client(self) -> "Redis":
        """The client. Commands raise `redis.RedisError` or `OSError` when the server cannot be reached."""
        if self._client is None:
            self._client = _connect(self._settings)
        return self._client

    @property
    def pipe(self) -> Pipe:
        """A faster way for single commands with simple replies, 100 ms each at most."""
        if self._pipe is None:
            self._pipe = Pipe(self.url, timeout=PIPE_TIMEOUT, connect_timeout=self._settings.redis_timeout)
        return self._pipe

    async def ping(self) -> float:
        """Milliseconds that the server takes to answer. Raises what the client raises, or `TimeoutError`."""
        started = time.perf_counter()
        async with asyncio.timeout(self._settings.redis_timeout * 2):
            await cast(Any, self.client.ping())
        return (time.perf_counter() - started) * 1000

    async def close(self) -> None:
        """Close all connections; the next command opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        if self._pipe is not None:
            await self._pipe.close()

    def warn_without(self) -> None:
        """Say once what is degraded when there is no server, in production."""
        if not self and load(CoreSettings).is_production:
            log.warning(
                "no REDIS_URL: rate limits and caches are counted in each process by itself",
                remedy="set REDIS_URL when more than one process serves",
            )


def _connect(settings: RedisSettings) -> "Redis":
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as Disconnected

    pool = BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=settings.redis_max_connections,
        timeout=settings.redis_timeout,
        socket_timeout=settings.redis_timeout,
        socket_connect_timeout=settings.redis_timeout,
        retry=Retry(NoBackoff(), 1, supported_errors=(Disconnected,)),
        health_check_interval=0,
        client_name="undercroft",
    )
    return Redis.from_pool(pool)
