"""Detect requests that were sent by a page of this site."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import CoreSettings, load

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""


def same_site(request: HTTPConnection) -> bool:
    """Whether the browser reports that a page of this origin, or of an origin in CORS_ORIGINS, sent the request.

    `Sec-Fetch-Site` decides if it is sent (current browsers, over https or on localhost); otherwise `Origin` must be
    this server's origin, that of PUBLIC_URL or a configured one. If both are missing or `Origin` is null, returns
    False.
    """
    site = request.headers.get("sec-fetch-site")
    if site == "same-origin":
        return True
    if site is not None and site != "same-site":
        return False
    origin = request.headers.get("origin", "").lower()
    return origin in _trusted_origins() or (
        site is None and origin == f"{request.scope['scheme'].replace('ws', 'http')}://{request.headers.get('host')}"
    )


def _trusted_origins() -> frozenset[str]:
    public = urlsplit(load(CoreSettings).public_url)
    return frozenset({f"{public.scheme}://{public.netloc}".lower(), *load(HttpSettings).cors_origins}) - {"*"}
