"""Entity tags, `If-Match` and `If-None-Match` (RFC 9110, 8.8.3 and 13.1).

Prevents overwriting another client's update, and avoids resending a response that the client already has.

Proxies that compress responses rewrite tags: nginx makes `"3"` weak, Apache appends `-gzip`. Tags here are version
numbers, which do not depend on compression, so both headers accept these forms.
"""

import hashlib
import re
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.types import Message, Scope, Send

from undercroft.core.errors import BadRequest

MAX_HEADER = 1000
BODY_HEADERS = frozenset(
    {b"content-type", b"content-length", b"content-encoding", b"content-language", b"content-range"}
)

_ONE = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_CODING = re.compile(r"(?:--?|;)(?:gzip|br|zstd|deflate)$")
_LIST = re.compile(rf"[\s,]*{_ONE}\s*(?:,\s*(?:{_ONE}\s*)?)*")


class InvalidIfMatch(BadRequest):
    code = "INVALID_IF_MATCH"
    message = 'If-Match must be `*` or a list of entity tags from ETag headers: "3", "4".'


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def weak_etag(body: bytes) -> str:
    """A weak entity tag of a response body, the same with and without compression."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


async def if_match(request: Request) -> tuple[int, ...] | None:
    """The versions in `If-Match`; None without the header and for `*`, which matches any version.

    Tags in another format never match. Raises `InvalidIfMatch` if the header is not a list of tags.
    """
    values = request.headers.getlist("if-match")
    header = ",".join(values).strip()
    if not values or header == "*":
        return None
    if len(header) > MAX_HEADER or not _LIST.fullmatch(header):
        raise InvalidIfMatch
    return tuple(int(tag) for tag in sorted(_opaque_tags(header)) if tag.isascii() and tag.isdigit())


IfMatch = Annotated[tuple[int, ...] | None, Depends(if_match)]


class NotModified:
    """Sends 304 instead of a 200 with an entity tag that `If-None-Match` contains (weak comparison, or `*`).

    The 304 has the headers of the 200 without those that describe its body (RFC 9110, 15.4.5). A malformed header is
    ignored.
    """

    __slots__ = ("_if_none_match", "_send", "_skip")

    def __init__(self, scope: Scope, send: Send) -> None:
        given = b",".join(value for name, value in scope["headers"] if name == b"if-none-match")
        self._if_none_match = given.decode("latin-1").strip()
        self._send = send
        self._skip = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            tag = next((value for name, value in message["headers"] if name == b"etag"), None)
            if tag is not None and self._matches(tag.decode("latin-1")):
                self._skip = True
                await self._send({**message, "status": 304, "headers": _strip_body_headers(message["headers"], tag)})
                await self._send({"type": "http.response.body"})
        if not self._skip:
            await self._send(message)

    def _matches(self, tag: str) -> bool:
        header = self._if_none_match
        if header == "*":
            return True
        return bool(_LIST.fullmatch(header)) and not _opaque_tags(header).isdisjoint(_opaque_tags(tag))


def _strip_body_headers(headers: list[tuple[bytes, bytes]], tag: bytes) -> list[tuple[bytes, bytes]]:
    """Other headers stay, such as a page's Content-Security-Policy: browsers update the stored response with them."""
    remaining = [header for header in headers if header[0] not in BODY_HEADERS]
    # A 200 with a weak tag varies by encoding, so the 304 must too.
    varies = any(name == b"vary" for name, _ in remaining) or not tag.startswith(b"W/")
    return remaining if varies else [*remaining, (b"vary", b"Accept-Encoding")]


def _opaque_tags(listed: str) -> set[str]:
    """The tags without their weakness prefix and coding suffix."""
    return {_CODING.sub("", opaque) for _, opaque in _TAG.findall(listed)}
