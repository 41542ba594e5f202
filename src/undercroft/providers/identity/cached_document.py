"""A document from elsewhere that is kept: asked for by one request at a time, never by one per request of ours."""

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
    """`fetch` gets it, or raises `HttpClientError`.

    It is asked for again `max_age` seconds after it came, in the background, and renewed at most once in `min_interval`
    seconds however often somebody wants that. What is known goes on being used when it cannot be had.
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
        """The document. Raises `IdentityProviderUnavailable` when it never came."""
        if self.value is None:
            self._start_fetch()
            await self._wait_for_fetch()
        else:
            self.refresh()
        if self.value is None:
            raise self.unavailable()
        return self.value

    def refresh(self) -> None:
        """Ask for it again in the background when it is older than `max_age` seconds."""
        if self.now() - self.fetched_at > self._max_age:
            self._start_fetch()

    async def refetch(self, *, newer_than: float) -> None:
        """Ask for one that came later `newer_than` this moment, unless somebody wanted that a moment ago.

        Who comes while a request is under way waits for that one.
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
        """The error that tells when asking again makes sense."""
        return IdentityProviderUnavailable(retry_after=math.ceil(self._requested_at + self._min_interval - self.now()))

    async def close(self) -> None:
        """Give up what is under way."""
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
