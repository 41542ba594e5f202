"""JSON bodies: strict decoding of requests, and encoding of responses where every microsecond counts.

Decoding refuses what RFC 8259 does not allow (NaN, trailing commas, a byte order mark), lone surrogates, which can
neither be stored nor encoded, and more than a hundred levels of nesting.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

MAX_DEPTH = 100

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class JsonRequest(Request):
    """A request with a strict `json()`. It raises `json.JSONDecodeError`, for which FastAPI returns 422."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = decode(await self.body())
        return self._json


def decode(body: bytes) -> Any:
    """Decode a JSON text. Raises `json.JSONDecodeError` with a reason that does not quote the text."""
    try:
        value = _decode(body)
    except RecursionError:
        raise json.JSONDecodeError("it is nested too deeply", "", 0) from None
    except UnicodeDecodeError:
        raise json.JSONDecodeError("it is not encoded in UTF-8", "", 0) from None
    except msgspec.DecodeError as error:
        raise json.JSONDecodeError(_reason(str(error), body), "", 0) from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth_exceeds(value, MAX_DEPTH):
        raise json.JSONDecodeError("it is nested too deeply", "", 0)
    return value


def _reason(text: str, body: bytes) -> str:
    if "truncated" in text and b"\\u" in body:
        return "it ends too early, or contains half of a surrogate pair"
    if "truncated" in text:
        return "it ends too early"
    return text.removeprefix("JSON is malformed: ").lower()


def _depth_exceeds(value: Any, limit: int) -> bool:
    level: list[Any] = [value]
    for _ in range(limit):
        nested = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [child for children in nested for child in children]
        if not level:
            return False
    return True


def json_response(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Encode dicts, lists, strings, numbers, UUIDs and aware datetimes as JSON (RFC 8259, times in RFC 3339).

    `response_model` then only documents the route: a test must verify that both agree.
    """
    return Response(_encode(content), status, headers, "application/json")
