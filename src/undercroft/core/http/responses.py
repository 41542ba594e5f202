"""JSON responses without `response_model`, for routes where every microsecond counts.

`response_model` then only documents the route: a test must verify that both agree.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

_encode = msgspec.json.Encoder().encode


def json_response(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Encode dicts, lists, strings, numbers, UUIDs and aware datetimes as JSON (RFC 8259, times in RFC 3339)."""
    return Response(_encode(content), status, headers, "application/json")
