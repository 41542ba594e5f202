"""HTTP requests to services that answer with JSON: few bytes, little time, no redirects, only https in production."""

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, load

if TYPE_CHECKING:
    from httpx import AsyncClient

DEFAULT_TIMEOUT = 5.0
MAX_RESPONSE_BYTES = 262_144


class HttpClientError(Exception):
    """No answer, or none that can be used: too slow, too large, a redirect, a server's fault, not JSON."""


class HttpResponse(Struct, frozen=True):
    status: int
    content: Any

    @property
    def ok(self) -> bool:
        return self.status == 200 and isinstance(self.content, dict)


class HttpClient:
    """One client for all requests of a process, made at the first."""

    def __init__(self, *, timeout: float = DEFAULT_TIMEOUT, max_bytes: int = MAX_RESPONSE_BYTES) -> None:
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._client: AsyncClient | None = None

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """Raises `HttpClientError`."""
        return await self._send("GET", url, headers=headers)

    async def post(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        """Post a form. Raises `HttpClientError`."""
        return await self._send("POST", url, headers=headers, form=form)

    async def get_json(self, url: str) -> dict[str, Any]:
        """A JSON object that anybody may read. Raises `HttpClientError`."""
        reply = await self.get(url)
        if not reply.ok:
            raise HttpClientError(f"{url} answered {reply.status} and no JSON object")
        content: dict[str, Any] = reply.content
        return content

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None, form: Mapping[str, str] | None = None
    ) -> HttpResponse:
        import httpx

        require_https(url)
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        try:
            async with asyncio.timeout(self._timeout):
                async with self._get_client().stream(method, url, headers=sent, data=form) as response:
                    if response.status_code >= 500 or response.has_redirect_location:
                        raise HttpClientError(f"{url} answered {response.status_code}")
                    return HttpResponse(response.status_code, await self._read_json(response, url))
        except TimeoutError:
            raise HttpClientError(f"{url} did not answer within {self._timeout:g} s") from None
        except (httpx.LocalProtocolError, ValueError):  # says what no header can hold, which may be a secret
            raise HttpClientError(f"{url} cannot be asked with such headers") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HttpClientError(f"{url}: {type(error).__name__} {error}".strip()) from None

    async def _read_json(self, response: Any, url: str) -> Any:
        body = bytearray()  # as it comes: nothing is unpacked, because little can become very much
        async for piece in response.aiter_raw(65_536):
            body += piece
            if len(body) > self._max_bytes:
                raise HttpClientError(f"{url} answered more than {self._max_bytes} bytes")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            if response.status_code >= 400:
                return None
            raise HttpClientError(f"{url} did not answer with JSON") from None

    def _get_client(self) -> "AsyncClient":
        if self._client is None:
            from http.cookiejar import DefaultCookiePolicy

            import httpx

            limits = httpx.Limits(max_connections=20, max_keepalive_connections=5)
            self._client = httpx.AsyncClient(
                timeout=self._timeout, limits=limits, follow_redirects=False, headers={"User-Agent": "Undercroft"}
            )
            self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
        return self._client


def require_https(url: str) -> None:
    """Raises `HttpClientError` for an address that is not https, in production."""
    allowed = ("https",) if load(CoreSettings).is_production else ("https", "http")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise HttpClientError(f"{url} is not an address") from None
    if parts.scheme not in allowed or not parts.hostname:
        raise HttpClientError(f"{url} is not an https address")


def require_client(feature: str, *, extra: str = "identity") -> None:
    """Raises `ConfigurationError` when the HTTP client that a feature needs is not installed."""
    from importlib.util import find_spec

    if find_spec("httpx") is None:
        raise ConfigurationError(f"{feature} needs an HTTP client. Install it with: pip install 'undercroft[{extra}]'")
