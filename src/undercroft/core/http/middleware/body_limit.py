"""Limit the size of request bodies, with or without Content-Length, so that the client receives the 413.

A client that is still sending does not read the response, and a server that closes with unread data resets the
connection. So the rest of a body is read, within bounds, before a response that did not need it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from undercroft.core.http.errors import PayloadTooLarge, send_error

BODYLESS_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_DRAIN_BYTES = 32 << 20
"""Bytes that are read and discarded before a response."""
DRAIN_SECONDS = 5


class BodyLimit:
    """Returns 413 if Content-Length is too large, or as soon as more bytes arrive than allowed.

    The client gets the 413 whatever the application does with the truncated body. `own_limit` returns the limit that
    replaces `max_size` for the route of a request, or None.
    """

    def __init__(
        self, app: ASGIApp, max_size: int, own_limit: Callable[[Scope], int | None] = lambda _scope: None
    ) -> None:
        self.app = app
        self._max_size = max_size
        self._own_limit = own_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["state"]["request_headers"]
        length = headers.get(b"content-length")
        if length is None and scope["method"] in BODYLESS_METHODS and b"transfer-encoding" not in headers:
            await self.app(scope, receive, send)
            return
        size = 0 if length is None else _parse_length(length)
        can_drain = size <= MAX_DRAIN_BYTES and b"expect" not in headers
        own = self._own_limit(scope)
        limit = self._max_size if own is None else own
        counted = _LimitedBody(limit, scope["state"], receive, send, can_drain=can_drain)
        if size > limit:
            await self._refuse(counted, limit, scope, send)
            return
        try:
            await self.app(scope, counted.receive, counted.send)
        except Exception:
            if not counted.exceeded or counted.started:
                raise
        if counted.exceeded and not counted.started:
            await self._refuse(counted, limit, scope, send)

    async def _refuse(self, counted: "_LimitedBody", limit: int, scope: Scope, send: Send) -> None:
        await counted.drain()
        error = PayloadTooLarge(details={"max_bytes": limit}, headers={"Connection": "close"})
        await send_error(error, scope, send)


class _LimitedBody:
    __slots__ = ("_can_drain", "_deferred", "_ended", "_left", "_receive", "_send", "_state", "exceeded", "started")

    def __init__(self, max_size: int, state: dict[str, Any], receive: Receive, send: Send, *, can_drain: bool) -> None:
        self._left = max_size
        self._state = state
        self._receive = receive
        self._send = send
        self._can_drain = can_drain
        self._ended = False
        self._deferred: Message | None = None
        self.exceeded = False
        self.started = False

    async def receive(self) -> Message:
        if self.exceeded:
            raise HTTPException(413)
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            self._mark_stalled()
            raise
        self._ended = not message.get("more_body", False)
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self.exceeded = True
                raise HTTPException(413)
        return message

    def _mark_stalled(self) -> None:
        """The timeout expired while the client was still sending: do not wait for the rest of its body."""
        if not self._ended:
            self._can_drain = False
            self._state["body_stalled"] = True

    async def send(self, message: Message) -> None:
        """Defer a response start that comes before the end of the body; if the response is complete, drain the body
        first.
        """
        if self.exceeded and not self.started:
            return
        if not self.started and not self._ended and self._deferred is None:
            self._deferred = message
            return
        if self._deferred is not None:
            if not message.get("more_body", False):
                await self.drain()
            deferred, self._deferred = self._deferred, None
            self.started = True
            await self._send(deferred)
        self.started = True
        await self._send(message)

    async def drain(self) -> None:
        """Read the rest of the body, unless the client waits for `100 Continue`."""
        left = MAX_DRAIN_BYTES if self._can_drain else 0
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self._ended = not message.get("more_body", False)


def _parse_length(text: bytes) -> int:
    """The value of Content-Length; 0 if it is not a number, which the server handles."""
    return int(text.lstrip(b"0")[:20] or b"0") if text.isdigit() else 0
