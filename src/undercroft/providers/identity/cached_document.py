"""Cache of a remote document, which at most one request at a time fetches."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from undercroft.providers.http_client import HttpClientError
from undercroft.providers.identity.errors import IdentityProviderUnavailable

log = structlog.get_logger("undercroft.application")

T = TypeVar("T")


class CachedDocument(Generic[T]):
    """Caches the document that `fetch` returns; `fetch` raises `HttpClientError` on failure.

    A document older than `max_age` seconds is fetched again in the background. Fetches start at most once in
    `min_interval` seconds. When a fetch fails, the cached document stays in use.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[T]],
        *,
        max_age: float = 600,
        min_interval: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.value: T | None = None
        self.failed = False
        self._name = name
        self._fetch = fetch
        self._max_age = max_age
        self._min_interval = min_interval
        self._clock = clock
        self.fetched_at = self._requested_at = self._refetched_at = -math.inf
        self._request: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """Return the document. Raises `IdentityProviderUnavailable` if it was never fetched successfully."""
        if self.value is None:
            self._start_fetch()
            await self._wait_for_fetch()
        else:
            self.refresh()
        if self.value is None:
            raise self.unavailable()
        return self.value

    def refresh(self) -> None:
        """Start a fetch in the background if the document is older than `max_age` seconds."""
        if self.now() - self.fetched_at > self._max_age:
            self._start_fetch()

    async def refetch(self, *, newer_than: float) -> None:
        """Fetch the document again unless it is `newer_than` this time, at most once in `min_interval` seconds.

        If a fetch is running, wait for that one.
        """
        if (
            self._request is None
            and self.fetched_at <= newer_than
            and self.now() - self._refetched_at >= self._min_interval
        ):
            self._refetched_at, self._requested_at = self.now(), -math.inf
            self._start_fetch()
        await self._wait_for_fetch()

    def now(self) -> float:
        return self._clock()

    def unavailable(self) -> IdentityProviderUnavailable:
        """Return the error, with the seconds until the next possible fetch as `retry_after`."""
        return IdentityProviderUnavailable(retry_after=math.ceil(self._requested_at + self._min_interval - self.now()))

    async def close(self) -> None:
        """Cancel a running fetch."""
        if self._request is not None:
            self._request.cancel()
            await asyncio.gather(self._request, return_exceptions=True)

    def _start_fetch(self) -> None:
        if self._request is None and self.now() - self._requested_at >= self._min_interval:
            self._requested_at = self.now()
            self._request = asyncio.create_task(self._run_fetch())

    async def _wait_for_fetch(self) -> None:
        if self._request is not None:
            await asyncio.shield(self._request)

    async def _run_fetch(self) -> None:
        try:
            self.value = await self._fetch()
            self.fetched_at, self.failed = self.now(), False
        except (HttpClientError, IdentityProviderUnavailable) as error:
            self.failed = True
            log.warning("identity_provider.unreachable", document=self._name, cause=str(error))
        finally:
            self._request = None
