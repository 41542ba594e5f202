"""Who may look into the mailbox: a browser or a program on this machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from undercroft.core.errors import Forbidden
from undercroft.core.http.middleware.trusted_proxies import parse_address

FORWARDING_HEADERS = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"})
"""What proxies and tunnels add."""


class LocalAccessOnly(Forbidden):
    code = "MAILBOX_NOT_FROM_HERE"
    message = "The mailbox opens on this machine only, as http://127.0.0.1 or http://localhost."


async def require_local_client(request: Request) -> None:
    """Let nobody else in: mails hold links that sign people in.

    What counts is the address of the peer, which no client chooses: where development listens on a network address,
    `Host: localhost` is sent from anywhere. A request that a proxy forwards comes from elsewhere, whatever its peer.
    A foreign page whose name was made to resolve to 127.0.0.1 sends its own name as Host (DNS rebinding); one that
    asks across origins sends `Origin` or `Sec-Fetch-Site`. Following a link to the page is fine.
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
