"""A document from elsewhere that is kept: asked for by one request at a time, never by one per request of ours."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from undercroft.providers.identity.errors import IdentityProviderUnavailable
from undercroft.providers.outgoing import Unreachable

log = structlog.get_logger("undercroft.application")

T = TypeVar("T")


class Document(Generic[T]):
    """`fetch` gets it, or raises `Unreachable`.

    It is asked for again `fresh` seconds after it came, in the background, and renewed at most once in `pause` seconds
    however often somebody wants that. What is known goes on being used when it cannot be had.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[T]],
        *,
        fresh: float = 600,
        pause: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.value: T | None = None
        self.failed = False
        self._name = name
        self._fetch = fetch
        self._fresh = fresh
        self._pause = pause
        self._clock = clock
        self.came_at = self._asked_at = self._renewed_at = -math.inf
        self._request: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """The document. Raises `IdentityProviderUnavailable` when it never came."""
        if self.value is None:
            self._begin()
            await self._ended()
        else:
            self.refresh()
        if self.value is None:
            raise self.unavailable()
        return self.value

    def refresh(self) -> None:
        """Ask for it again in the background when it is older than `fresh` seconds."""
        if self.now() - self.came_at > self._fresh:
            self._begin()

    async def renew(self, *, than: float) -> None:
        """Ask for one that came later `than` this moment, unless somebody wanted that a moment ago.

        Who comes while a request is under way waits for that one.
        """
        if self._request is None and self.came_at <= than and self.now() - self._renewed_at >= self._pause:
            self._renewed_at, self._asked_at = self.now(), -math.inf
            self._begin()
        await self._ended()

    def now(self) -> float:
        return self._clock()

    def unavailable(self) -> IdentityProviderUnavailable:
        """The error that tells when asking again makes sense."""
        return IdentityProviderUnavailable(retry_after=math.ceil(self._asked_at + self._pause - self.now()))

    async def close(self) -> None:
        """Give up what is under way."""
        if self._request is not None:
            self._request.cancel()
            await asyncio.gather(self._request, return_exceptions=True)

    def _begin(self) -> None:
        if self._request is None and self.now() - self._asked_at >= self._pause:
            self._asked_at = self.now()
            self._request = asyncio.create_task(self._ask())

    async def _ended(self) -> None:
        if self._request is not None:
            await asyncio.shield(self._request)

    async def _ask(self) -> None:
        try:
            self.value = await self._fetch()
            self.came_at, self.failed = self.now(), False
        except (Unreachable, IdentityProviderUnavailable) as error:
            self.failed = True
            log.warning("identity_provider.unreachable", document=self._name, cause=str(error))
        finally:
            self._request = None
