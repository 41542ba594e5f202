"""Restricts the mailbox to development, and to clients on this machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from undercroft.core.http.middleware.trusted_proxies import parse_address
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.mailbox.errors import LocalAccessOnly
from undercroft.providers.email import EmailSettings

FORWARDING_HEADERS = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})
"""Headers that proxies and tunnels add."""


def is_mailbox_enabled() -> bool:
    """Whether emails are stored instead of sent, which is never so in production. Otherwise no routes are added."""
    return not load(CoreSettings).is_production and load(EmailSettings).provider == "mailbox"


async def require_local_client(request: Request) -> None:
    """Raise `LocalAccessOnly` for requests from other machines and sites, because emails contain sign-in links.

    The peer address decides, because clients choose the Host header freely: if the development server listens on a
    network address, any machine can send `Host: localhost`. A request with forwarding headers comes through a proxy, so
    its client is on another machine. A page whose domain resolves to 127.0.0.1 (DNS rebinding) sends its own name as
    Host; a cross-origin request has `Origin` or `Sec-Fetch-Site`. Navigating to the page from a link is allowed.
    """
    headers = request.headers
    foreign = headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
    origin = headers.get("origin")
    if (
        not _is_local_peer(request)
        or foreign
        or not _is_loopback(f"//{headers.get('host', '')}")
        or (origin and not _is_loopback(origin))
    ):
        raise LocalAccessOnly


def _is_local_peer(request: Request) -> bool:
    peer = parse_address(request.client.host) if request.client else None
    return peer is not None and peer.is_loopback and not FORWARDING_HEADERS & set(request.headers.keys())


def _is_loopback(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False
