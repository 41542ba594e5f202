"""The client's address and scheme behind trusted proxies."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

Address = IPv4Address | IPv6Address
_SCHEMES = {
    "http": {"http": "http", "https": "https"},
    "websocket": {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"},
}


class TrustedProxies:
    """Sets `scope["client"]` and `scope["scheme"]` from X-Forwarded-For and -Proto, if the peer is a trusted proxy.

    The list is read from the right, past every trusted address; the first untrusted address is the client. Addresses to
    the left of it come from the client and are ignored.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        self.app = app
        self._networks = [ip_network(network) for network in trusted]
        self._is_trusted = lru_cache(maxsize=4096)(self._check_trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("client") and self._is_trusted(scope["client"][0]):
            self._apply_forwarded(scope)
        await self.app(scope, receive, send)

    def _apply_forwarded(self, scope: Scope) -> None:
        hops = _split_header(scope, b"x-forwarded-for")
        position, client = self._find_client(hops)
        if client is not None:
            scope["client"] = (str(client), 0)
        protocols = _split_header(scope, b"x-forwarded-proto")
        if protocols:
            protocol = protocols[position] if len(protocols) == len(hops) else protocols[-1]
            scope["scheme"] = _SCHEMES[scope["type"]].get(protocol.lower(), scope["scheme"])

    def _find_client(self, hops: list[str]) -> tuple[int, Address | None]:
        found: tuple[int, Address | None] = (-1, None)
        for position in range(len(hops) - 1, -1, -1):
            address = parse_address(hops[position])
            if address is None:
                break
            found = (position, address)
            if not self._is_trusted(str(address)):
                break
        return found

    def _check_trusted(self, host: str) -> bool:
        address = parse_address(host)
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )


def parse_address(text: str) -> Address | None:
    """Parse `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; IPv4-mapped IPv6 as IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=8192)
def client_key(host: str) -> str:
    """The key by which a client is counted: its IPv4 address, or the /64 network of its IPv6 address."""
    address = parse_address(host)
    if address is None:
        return host[:64]
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address)


def _split_header(scope: Scope, name: bytes) -> list[str]:
    """The items of a comma-separated header, joined over all its lines, at most the last hundred."""
    joined = b",".join(value for key, value in scope["headers"] if key == name)
    return [item.strip() for item in joined.decode("latin-1").split(",") if item.strip()][-100:]
