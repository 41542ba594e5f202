"""HTTP client for JSON services: limits on response size and time, no redirects, HTTPS only in production."""

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from undercroft.core.extras import require_extra
from undercroft.core.settings import CoreSettings, load

if TYPE_CHECKING:
    from httpx2 import AsyncClient

DEFAULT_TIMEOUT = 5.0
MAX_RESPONSE_BYTES = 262_144


class HttpClientError(Exception):
    """No usable response: a timeout, a response that is too large, a redirect, a server error or invalid JSON."""


class HttpResponse(Struct, frozen=True):
    status: int
    content: Any

    @property
    def ok(self) -> bool:
        return self.status == 200 and isinstance(self.content, dict)


class HttpClient:
    """Client for all requests of a process. Connections are opened at the first request."""

    def __init__(self, *, timeout: float = DEFAULT_TIMEOUT, max_bytes: int = MAX_RESPONSE_BYTES) -> None:
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._client: AsyncClient | None = None

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """Send a GET request. Raises `HttpClientError`."""
        return await self._send("GET", url, headers=headers)

    async def post(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        """Post a form. Raises `HttpClientError`."""
        return await self._send("POST", url, headers=headers, form=form)

    async def get_json(self, url: str) -> dict[str, Any]:
        """Return a JSON object from a public URL. Raises `HttpClientError`."""
        response = await self.get(url)
        if not response.ok:
            raise HttpClientError(f"{url} returned {response.status} and no JSON object")
        content: dict[str, Any] = response.content
        return content

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None, form: Mapping[str, str] | None = None
    ) -> HttpResponse:
        import httpx2

        require_https(url)
        all_headers = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        client = self._get_client()  # not in the timeout: reading the system's certificates may take longer
        try:
            async with asyncio.timeout(self._timeout):
                async with client.stream(method, url, headers=all_headers, data=form) as response:
                    if response.status_code >= 500 or response.has_redirect_location:
                        raise HttpClientError(f"{url} returned {response.status_code}")
                    return HttpResponse(response.status_code, await self._read_json(response, url))
        except TimeoutError:
            raise HttpClientError(f"{url} did not respond within {self._timeout:g} s") from None
        except (httpx2.LocalProtocolError, ValueError):  # its message contains the header value, which may be a secret
            raise HttpClientError(f"invalid header for {url}") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise HttpClientError(f"{url}: {type(error).__name__} {error}".strip()) from None

    async def _read_json(self, response: Any, url: str) -> Any:
        body = bytearray()  # raw bytes: a small compressed response could decompress to a very large one
        async for chunk in response.aiter_raw(65_536):
            body += chunk
            if len(body) > self._max_bytes:
                raise HttpClientError(f"{url} returned more than {self._max_bytes} bytes")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            if response.status_code >= 400:
                return None
            raise HttpClientError(f"{url} did not return JSON") from None

    def _get_client(self) -> "AsyncClient":
        if self._client is None:
            from http.cookiejar import DefaultCookiePolicy

            import httpx2

            limits = httpx2.Limits(max_connections=20, max_keepalive_connections=5)
            self._client = httpx2.AsyncClient(
                timeout=self._timeout, limits=limits, follow_redirects=False, headers={"User-Agent": "Undercroft"}
            )
            self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
        return self._client


def require_https(url: str) -> None:
    """Raise `HttpClientError` for a URL that is not HTTPS; outside of production, HTTP is allowed as well."""
    allowed = ("https",) if load(CoreSettings).is_production else ("https", "http")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise HttpClientError(f"{url} is not a valid URL") from None
    if parts.scheme not in allowed or not parts.hostname:
        raise HttpClientError(f"{url} is not an HTTPS URL")


def require_client(feature: str, *, extra: str = "identity") -> None:
    """Raise `ConfigurationError` when the HTTP client that a feature needs is not installed."""
    require_extra("httpx2", extra, f"{feature} needs an HTTP client")
