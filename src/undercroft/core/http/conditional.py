"""Entity tags and `If-Match` (RFC 9110, 8.8.3 and 13.1.1): an update of what somebody else changed is refused."""

import re
from typing import Annotated

from fastapi import Depends, Request

from undercroft.core.errors import BadRequest

TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
MAX_HEADER = 1000


class InvalidIfMatch(BadRequest):
    code = "INVALID_IF_MATCH"
    message = 'If-Match takes `*` or entity tags as they were answered: "3", "4".'


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


async def if_match(request: Request) -> tuple[int, ...] | None:
    """The versions that the client would accept; None without the header and for `*`, which any version matches.

    Weak tags never match, nor do tags that are not ours. Raises `InvalidIfMatch` for what is no list of tags.
    """
    values = request.headers.getlist("if-match")
    if not values or values == ["*"]:
        return None
    header = ",".join(values)
    tags = [TAG.fullmatch(part) for part in header.split(",") if part.strip()]
    if not tags or len(header) > MAX_HEADER or any(tag is None for tag in tags):
        raise InvalidIfMatch
    return tuple(int(tag[2]) for tag in tags if tag and not tag[1] and tag[2].isascii() and tag[2].isdigit())


IfMatch = Annotated[tuple[int, ...] | None, Depends(if_match)]
