"""Compress responses with brotli or gzip."""

import asyncio
import zlib
from collections.abc import Callable
from functools import lru_cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from undercroft.core.extras import is_installed

BROTLI_QUALITY = 4
GZIP_LEVEL = 5
THREAD_MIN_SIZE = 131_072
TYPES = (b"text/", b"application/json", b"application/javascript", b"application/xml", b"image/svg+xml")
NOT_COMPRESSED = (b"text/event-stream",)

Encoder = Callable[[bytes], bytes]


class Compression:
    """Compresses complete text and JSON responses of at least `min_size` bytes.

    Streams, event streams, partial and already encoded responses are not changed, nor are those with a strong ETag,
    which identifies the exact bytes (RFC 9110, 8.8.3).
    """

    def __init__(self, app: ASGIApp, min_size: int) -> None:
        self.app = app
        self._min_size = min_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await self.app(scope, receive, send)
            return
        coding = negotiate_encoding(scope["state"]["request_headers"].get(b"accept-encoding", b""))
        await self.app(scope, receive, _Compressor(self._min_size, coding, send))


class _Compressor:
    __slots__ = ("_coding", "_head", "_min_size", "_send")

    def __init__(self, min_size: int, coding: bytes, send: Send) -> None:
        self._min_size = min_size
        self._coding = coding
        self._send = send
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if _is_compressible(message):
                self._head = message
                return
        elif self._head is not None:
            head, self._head = self._head, None
            message = await self._transform(head, message)
            await self._send(head)
        await self._send(message)

    async def _transform(self, head: Message, message: Message) -> Message:
        body = message.get("body", b"")
        if message.get("more_body") or len(body) < self._min_size:
            return message
        headers = [*head["headers"], (b"vary", b"Accept-Encoding")]
        if self._coding:
            encode = ENCODERS[self._coding]
            body = encode(body) if len(body) < THREAD_MIN_SIZE else await asyncio.to_thread(encode, body)
            headers = [header for header in headers if header[0] != b"content-length"]
            headers += [(b"content-encoding", self._coding), (b"content-length", str(len(body)).encode())]
        head["headers"] = headers
        return {**message, "body": body}


@lru_cache(maxsize=256)
def negotiate_encoding(accept_encoding: bytes, offered: tuple[bytes, ...] | None = None) -> bytes:
    """The first accepted coding of those offered, or empty, by Accept-Encoding (RFC 9110, 12.5.3).

    By default, those that this process can encode: `br` if it is installed, and `gzip`.
    """
    accepted = {}
    for item in accept_encoding.lower().split(b","):
        name, _, weight = item.partition(b";")
        accepted[name.strip()] = weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    codings = tuple(ENCODERS) if offered is None else offered
    return next((coding for coding in codings if accepted.get(coding, accepted.get(b"*", False))), b"")


def _is_compressible(head: Message) -> bool:
    if head["status"] in (204, 206, 304):
        return False
    is_text = False
    for name, value in head.get("headers", ()):
        if name == b"content-type":
            is_text = value.startswith(TYPES) and not value.startswith(NOT_COMPRESSED)
        elif name in (b"content-encoding", b"content-range") or (name == b"etag" and not value.startswith(b"W/")):
            return False
    return is_text


def _brotli(body: bytes) -> bytes:
    import brotli  # type: ignore[import-untyped]

    return bytes(brotli.compress(body, quality=BROTLI_QUALITY))


def _gzip(body: bytes) -> bytes:
    return zlib.compress(body, level=GZIP_LEVEL, wbits=31)


ENCODERS: dict[bytes, Encoder] = {**({b"br": _brotli} if is_installed("brotli") else {}), b"gzip": _gzip}
