"""Entity tags, `If-Match` and `If-None-Match` (RFC 9110, 8.8.3 and 13.1).

An update of what somebody else changed is refused, an answer that the client has already is not sent again.
"""

import hashlib
import re
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from undercroft.core.errors import BadRequest

MAX_HEADER = 1000

_ONE = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(rf"[\s,]*{_ONE}\s*(?:,\s*(?:{_ONE}\s*)?)*")


class InvalidIfMatch(BadRequest):
    code = "INVALID_IF_MATCH"
    message = 'If-Match takes `*` or entity tags as they were answered: "3", "4".'


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def weak_etag(body: bytes) -> str:
    """A weak entity tag of an answer's bytes: the same whether they are sent compressed or not."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


async def if_match(request: Request) -> tuple[int, ...] | None:
    """The versions that the client would accept; None without the header and for `*`, which any version matches.

    Weak tags never match, nor do tags that are not ours. Raises `InvalidIfMatch` for what is no list of tags.
    """
    header = _given(request, "if-match")
    if header is None or header == "*":
        return None
    if len(header) > MAX_HEADER or not _LIST.fullmatch(header):
        raise InvalidIfMatch
    tags = _TAG.findall(header)
    return tuple(int(opaque) for weak, opaque in tags if not weak and opaque.isascii() and opaque.isdigit())


IfMatch = Annotated[tuple[int, ...] | None, Depends(if_match)]


def is_unchanged(request: Request, current: str) -> bool:
    """Whether `If-None-Match` names this tag, so that 304 is the answer. Compares weakly.

    A header that is no list of tags names none.
    """
    header = _given(request, "if-none-match")
    if header is None:
        return False
    known = {opaque for _, opaque in _TAG.findall(header[:MAX_HEADER])}
    return header == "*" or current.removeprefix("W/").strip('"') in known


def _given(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    return ",".join(values).strip() if values else None
