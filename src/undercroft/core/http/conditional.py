"""Entity tags and the headers that ask about them (RFC 9110, 8.8.3 and 13.1).

response.headers["ETag"] = etag(project.version)
require_match(request, etag(project.version))        # PATCH with If-Match: 412 when it was changed meanwhile
"""

import hashlib
import re

from starlette.requests import Request

from undercroft.core.errors import BadRequest, PreconditionFailed

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(r'\s*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\s*(?:,\s*(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"\s*)*')


class MalformedTag(BadRequest):
    code = "MALFORMED_ETAG"
    message = 'If-Match and If-None-Match hold entity tags in quotes, as ETag gave them: "3", or *.'


def etag(*parts: object) -> str:
    """A strong tag of these values, such as a row's version."""
    return f'"{"-".join(map(str, parts))}"'


def weak_etag(body: bytes) -> str:
    """A weak tag of an answer's bytes, the same whether they are compressed or not."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


def require_match(request: Request, current: str | None) -> None:
    """Go on only if `If-Match` is not given or names the current tag; `*` means that there is one.

    Compares strongly: a weak tag never matches. Raises `PreconditionFailed`, or `MalformedTag`.
    """
    given = _given(request, "if-match")
    if given is None:
        return
    if given == "*":
        if current is None:
            raise PreconditionFailed
        return
    weak, opaque = _read(current) if current is not None else (True, "")
    if weak or (False, opaque) not in _tags(given):
        raise PreconditionFailed(headers={"ETag": current} if current else None)


def is_unchanged(request: Request, current: str) -> bool:
    """Whether `If-None-Match` names the current tag, so that 304 is the answer. Compares weakly.

    Raises `MalformedTag`.
    """
    given = _given(request, "if-none-match")
    if given is None:
        return False
    return given == "*" or _read(current)[1] in {opaque for _, opaque in _tags(given)}


def _given(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    return ",".join(values).strip() if values else None


def _tags(text: str) -> set[tuple[bool, str]]:
    if not _LIST.fullmatch(text):
        raise MalformedTag
    return {(bool(weak), opaque) for weak, opaque in _TAG.findall(text)}


def _read(tag: str) -> tuple[bool, str]:
    match = _TAG.fullmatch(tag)
    assert match is not None, f"{tag} is not an entity tag"
    return bool(match[1]), match[2]
