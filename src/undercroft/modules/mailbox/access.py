"""Who may look into the mailbox: a browser or a program on this machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request

from undercroft.core.errors import Forbidden


class NotFromHere(Forbidden):
    code = "MAILBOX_NOT_FROM_HERE"
    message = "The mailbox opens on this machine only, as http://127.0.0.1 or http://localhost."


async def from_this_machine(request: Request) -> None:
    """Let nobody else in: mails hold links that sign people in.

    A foreign page whose name was made to resolve to 127.0.0.1 sends its own name as Host (DNS rebinding); one that
    asks across origins sends `Origin` or `Sec-Fetch-Site`. Following a link to the page is fine.
    """
    headers = request.headers
    foreign = headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
    origin = headers.get("origin")
    if foreign or not _is_loopback(f"//{headers.get('host', '')}") or (origin and not _is_loopback(origin)):
        raise NotFromHere


def _is_loopback(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False
