"""Security headers for browsers."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import CoreSettings, load

Header = tuple[bytes, bytes]

DEFAULT_HEADERS: dict[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"strict-origin-when-cross-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    b"cross-origin-opener-policy": b"same-origin",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
API_HEADERS: dict[bytes, bytes] = {b"referrer-policy": b"no-referrer", b"cache-control": b"no-store"}


class SecurityHeaders:
    """Adds headers that the response does not set itself; pages set their own Content-Security-Policy.

    API responses are not cached unless they set Cache-Control; HSTS is sent in production.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        base = dict(DEFAULT_HEADERS)
        hsts = load(HttpSettings).hsts
        if load(CoreSettings).is_production and hsts and hsts != "off":
            base[b"strict-transport-security"] = hsts.encode("latin-1")
        self._root = list(base.items())
        self._api = list((base | API_HEADERS).items())
        self._names = frozenset(base | API_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        defaults = self._api if scope["path"].startswith("/api/") else self._root

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._merge(message.get("headers", ()), defaults)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _merge(self, own: "list[Header] | tuple[Header, ...]", defaults: list[Header]) -> list[Header]:
        own_names = {name for name, _ in own if name in self._names}
        if own_names:
            return [*own, *(header for header in defaults if header[0] not in own_names)]
        return [*own, *defaults]
