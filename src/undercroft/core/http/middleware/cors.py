"""CORS: pages of other origins that may call the API (Fetch standard, 3.2)."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from undercroft.core.errors import Forbidden
from undercroft.core.http.errors import send_error

Header = tuple[bytes, bytes]

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS = (
    "Accept, Accept-Language, Accept-Version, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
    "X-API-Version, X-Request-ID"
)
"""The headers that the core reads or that clients send with every request."""
EXPOSED_HEADERS = (
    b"Deprecation, ETag, Idempotency-Replayed, Link, Location, Retry-After, Sunset, X-API-Version, X-RateLimit-Limit, "
    b"X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-ID"
)
MAX_AGE = b"600"


class OriginNotAllowed(Forbidden):
    code = "ORIGIN_NOT_ALLOWED"
    message = "Pages of this origin may not call the API. Add the origin to CORS_ORIGINS."


class Cors:
    """Allows each configured origin with credentials; `*` allows all origins without credentials.

    `request_headers` are those that pages may send besides `REQUEST_HEADERS`. Responses that depend on the origin have
    `Vary: Origin`, also if the request had no Origin.
    """

    def __init__(self, app: ASGIApp, origins: Iterable[str], request_headers: Iterable[str] = ()) -> None:
        self.app = app
        self._request_headers = ", ".join(sorted([*REQUEST_HEADERS.split(", "), *request_headers])).encode()
        self.allow(origins)

    def allow(self, origins: Iterable[str]) -> None:
        """Replace the allowed origins from the next request on."""
        self._allowed = frozenset(origin.encode() for origin in origins)
        self._all = b"*" in self._allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._allowed:
            await self.app(scope, receive, send)
            return
        headers = scope["state"]["request_headers"]
        origin = headers.get(b"origin")
        if origin and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await self._handle_preflight(origin, scope, send)
            return
        scope["state"]["response_headers"] += [*self._origin_headers(origin), *self._vary(b"Origin")]
        await self.app(scope, receive, send)

    async def _handle_preflight(self, origin: bytes, scope: Scope, send: Send) -> None:
        vary = self._vary(b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
        grant = self._origin_headers(origin)
        if not grant:
            scope["state"]["response_headers"] += vary
            await send_error(OriginNotAllowed(), scope, send)
            return
        allowed = [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", self._request_headers),
            (b"access-control-max-age", MAX_AGE),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": [*grant, *allowed, *vary]})
        await send({"type": "http.response.body"})

    def _origin_headers(self, origin: bytes | None) -> list[Header]:
        if origin is None:
            return []
        if self._all:
            return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", EXPOSED_HEADERS)]
        if origin.lower() not in self._allowed:
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
        ]

    def _vary(self, names: bytes) -> list[Header]:
        return [] if self._all else [(b"vary", names)]
