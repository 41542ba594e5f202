"""Client of Redis or Valkey, created on first use and shared by the whole process.

If `REDIS_URL` is not set there is no client, and callers fall back to the memory of this process.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

import structlog

from undercroft.core.cache.settings import RedisSettings
from undercroft.core.settings import CoreSettings, load

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger("undercroft.application")

QUICK_TIMEOUT = 0.1


class Cache:
    """The connections to Redis or Valkey of one event loop. They are opened on the first command."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._client: Redis | None = None
        self._quick: Redis | None = None

    @property
    def url(self) -> str:
        return self._settings.redis_url.get_secret_value()

    def __bool__(self) -> bool:
        """Whether a server is configured."""
        return bool(self.url)

    @property
    def max_connections(self) -> int:
        """Maximum number of concurrent commands; one more raises `redis.MaxConnectionsError`."""
        return self._settings.redis_max_connections

    @property
    def client(self) -> "Redis":
        """The client. Commands raise `redis.RedisError` or `OSError` if the server cannot be reached."""
        if self._client is None:
            self._client = _connect(self._settings, self._settings.redis_timeout)
        return self._client

    @property
    def quick(self) -> "Redis":
        """A client for commands of every request: each has 100 ms, connecting has the normal timeout."""
        if self._quick is None:
            self._quick = _connect(self._settings, min(QUICK_TIMEOUT, self._settings.redis_timeout))
        return self._quick

    async def ping(self) -> float:
        """Round-trip time of the server in milliseconds. Raises the client's errors, or `TimeoutError`."""
        client = self.client
        started = time.perf_counter()
        async with asyncio.timeout(self._settings.redis_timeout * 2):
            await cast(Any, client.ping())
        return (time.perf_counter() - started) * 1000

    async def close(self) -> None:
        """Close all connections; the next command opens new ones."""
        opened, self._client, self._quick = (self._client, self._quick), None, None
        for client in filter(None, opened):
            await client.aclose()

    def warn_if_unconfigured(self) -> None:
        """Log once in production which features are degraded without a server."""
        if not self and load(CoreSettings).is_production:
            log.warning(
                "REDIS_URL is not set: rate limits and caches are per process",
                remedy="set REDIS_URL if more than one process serves requests",
            )


def _connect(settings: RedisSettings, timeout: float) -> "Redis":
    from redis.asyncio import ConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as Disconnected

    pool = ConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=settings.redis_max_connections,
        socket_timeout=timeout,
        socket_connect_timeout=settings.redis_timeout,
        retry=Retry(NoBackoff(), 1, supported_errors=(Disconnected,)),
        protocol=2,
        client_name="undercroft",
    )
    return Redis.from_pool(pool)
