"""Whether a request was sent by a page of ours, as far as a browser tells."""

from urllib.parse import urlsplit

from starlette.requests import Request

from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import CoreSettings, load

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing (RFC 9110, 9.2.1)."""


def same_site(request: Request) -> bool:
    """True when the browser says that a page of this origin, or of one named in CORS_ORIGINS, sent the request.

    `Sec-Fetch-Site` decides where it is sent (current browsers, over https or on this machine); else `Origin` must be
    this server's, PUBLIC_URL's or a named one. Neither of them, or `Origin: null` alone, is False.
    """
    site = request.headers.get("sec-fetch-site")
    if site == "same-origin":
        return True
    if site is not None and site != "same-site":
        return False
    origin = request.headers.get("origin", "").lower()
    return origin in _trusted_origins() or (
        site is None and origin == f"{request.scope['scheme']}://{request.headers.get('host')}"
    )


def _trusted_origins() -> frozenset[str]:
    public = urlsplit(load(CoreSettings).public_url)
    return frozenset({f"{public.scheme}://{public.netloc}".lower(), *load(HttpSettings).cors_origins}) - {"*"}
