"""Detect requests from pages of this site, and paths that stay on it."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import CoreSettings, load

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""
MAX_PATH_LENGTH = 2000


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


def is_local_path(path: str) -> bool:
    """Whether a redirect to this path stays on this site.

    Browsers treat `//host` and `/\\host` as other sites and remove tabs and line ends before they parse a URL.
    """
    is_path = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return is_path and len(path) <= MAX_PATH_LENGTH and path.isascii() and path.isprintable() and " " not in path
