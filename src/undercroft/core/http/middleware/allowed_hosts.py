"""Refuse requests for other hosts than those of this installation."""

from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from undercroft.core.errors import BadRequest
from undercroft.core.http.errors import send_error
from undercroft.core.http.middleware.trusted_proxies import parse_address
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import CoreSettings, Environment, load


class UnknownHost(BadRequest):
    code = "UNKNOWN_HOST"
    message = "Unknown host. Set ALLOWED_HOSTS to accept it."


class AllowedHosts:
    """Returns 400 if the Host header is not in `ALLOWED_HOSTS`, is missing, or is repeated.

    The paths in `exempt` accept every host. In development, IP addresses and localhost are allowed too, but not a name
    that resolves to them (DNS rebinding); in tests every host is allowed unless `ALLOWED_HOSTS` is set.
    """

    def __init__(self, app: ASGIApp, exempt: Collection[str] = ()) -> None:
        self.app = app
        self._exempt = exempt
        core, hosts = load(CoreSettings), load(HttpSettings).allowed_hosts
        self._any = "*" in hosts or (not hosts and core.environment is Environment.TEST)
        self._local = core.is_development
        named = hosts if hosts and not self._local else (*hosts, urlsplit(core.public_url).hostname or "")
        self._host_names = frozenset(host for host in named if not host.startswith("*."))
        self._host_suffixes = tuple(host[1:] for host in named if host.startswith("*."))
        self._is_allowed = lru_cache(maxsize=256)(self._check_allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._any or scope["path"] in self._exempt or self._allows(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send_error(UnknownHost(), scope, send)

    def _allows(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"host"]
        return len(given) == 1 and self._is_allowed(given[0])

    def _check_allowed(self, header: bytes) -> bool:
        host = host_name(header.decode("latin-1"))
        if host in self._host_names or host.endswith(self._host_suffixes or "\0"):
            return True
        return self._local and (host == "localhost" or host.endswith(".localhost") or parse_address(host) is not None)


def host_name(header: str) -> str:
    """The name in a Host header, in lowercase, without the port and the brackets of IPv6."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].removesuffix(".")
