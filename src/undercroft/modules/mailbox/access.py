"""Restricts the mailbox to clients on this machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from undercroft.core.errors import Forbidden
from undercroft.core.http.middleware.trusted_proxies import parse_address

FORWARDING_HEADERS = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})
"""Headers that proxies and tunnels add."""


class LocalAccessOnly(Forbidden):
    code = "MAILBOX_NOT_FROM_HERE"
    message = "The mailbox is only available on this machine, at http://127.0.0.1 or http://localhost."


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
