"""Rate limits of routes.

Every route has its surface's rate, shared by all routes of the surface; its option `limit` sets another one:

    limit="sign_in"       the setting RATE_LIMIT_SIGN_IN, or a name that a module declares in its `limits.py`,
                          LIMITS = {"search": lambda: "60/minute"}; all routes with this name share one limit
    limit="5/minute"      a rate of its own
    limit=None            no limit

Requests are counted by the subject of their signed token, otherwise by the client's address. Sign-ins are counted by
address even with a token, because guesses about one account may carry tokens of others. A device on which the account
signed in before is counted separately, so that other clients behind the same address cannot lock it out.
"""

from collections.abc import Callable, Iterable, Mapping

import structlog
from msgspec import Struct
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from undercroft.core.auth import Authenticator
from undercroft.core.cache import Cache
from undercroft.core.context import current_context
from undercroft.core.errors import TooManyRequests
from undercroft.core.http.middleware.trusted_proxies import client_key
from undercroft.core.http.rates import MemoryCounters, Rate, RateLimitResult, RedisCounters
from undercroft.core.http.route_info import SURFACE_RATE, get_info
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import load

log = structlog.get_logger("undercroft.security")

BY_NETWORK = frozenset({"auth", "sign_in", "sign_in_request"})
"""Limits of requests from clients that are not signed in, or that must not gain from being signed in."""


CORE_RATES: dict[str, Callable[[], str]] = {
    "public": lambda: load(HttpSettings).rate_limit_public,
    "auth": lambda: load(HttpSettings).rate_limit_auth,
    "app": lambda: load(HttpSettings).rate_limit_app,
    "admin": lambda: load(HttpSettings).rate_limit_admin,
    "sign_in": lambda: load(HttpSettings).rate_limit_sign_in,
}
CORE_RATES["sign_in_request"] = CORE_RATES["sign_in"]
"""For routes that request a link or a challenge: the rate of `sign_in`, counted separately."""


class RateLimits:
    """The named rates of an application: those of the core, and the `LIMITS` in the files `limits.py` of its modules.

    Raises `ValueError` if a name is declared twice.
    """

    def __init__(self, rates: Iterable[tuple[str, Callable[[], str]]] = ()) -> None:
        self.by_name = dict(CORE_RATES)
        for name, rate in rates:
            if self.by_name.setdefault(name, rate) is not rate:
                raise ValueError(f"The rate limit {name} is declared twice.")


def get_rate_names() -> list[str]:
    """The names of the application's rates."""
    return sorted(get_rates())


class Limiter:
    """Counts hits in Redis if it is configured, otherwise in this process."""

    def __init__(self, cache: Cache) -> None:
        self._memory = MemoryCounters()
        self._shared = RedisCounters(cache) if cache else None

    async def hit(self, key: str, rate: Rate | str) -> RateLimitResult:
        """Count one hit of this key if it is within the rate.

        A named rate is multiplied by `RATE_LIMIT_SCALE`, a `Rate` is not. If Redis is unavailable, the hit is allowed.
        """
        rate = rate if isinstance(rate, Rate) else resolve_rate(rate)
        if self._shared is None:
            return self._memory.hit(key, rate)
        return await self._shared.hit(key, rate) or RateLimitResult(True, rate.times, rate.times, rate.seconds, 0)

    async def require(self, key: str, rate: Rate | str) -> None:
        """Count one hit. Raises `TooManyRequests` if the rate is exceeded."""
        result = await self.hit(key, rate)
        if not result.allowed:
            raise TooManyRequests(retry_after=result.retry_after)


def resolve_rate(text: str) -> Rate:
    """The rate of this name or notation, multiplied by `RATE_LIMIT_SCALE`."""
    notation = text if "/" in text else get_rates()[text]()
    return Rate.parse(notation).scaled(load(HttpSettings).scale)


def get_rates() -> Mapping[str, Callable[[], str]]:
    """The application's rates by name, each as a function that returns its notation."""
    declared = current_context().find(RateLimits)
    return CORE_RATES if declared is None else declared.by_name


class RateLimitRule(Struct, frozen=True):
    """The rate limit of a route. Routes of one group share the count."""

    group: str
    rate: Rate


def get_rate_limit_rule(route: BaseRoute) -> RateLimitRule | None:
    """The rule of a route, determined once when the dispatch table is built; None if the route is not limited.

    Mounted files are not limited, because a page may have any number of them.
    """
    limit, path = get_info(route).limit, getattr(route, "path_format", "")
    if limit is None or (isinstance(route, Mount) and isinstance(route.app, StaticFiles)):
        return None
    if limit != SURFACE_RATE:
        endpoint = getattr(route, "endpoint", None)
        name = f"{endpoint.__module__}.{endpoint.__qualname__}" if endpoint else path
        return RateLimitRule(limit if limit in get_rates() else name, resolve_rate(limit))
    parts = path.split("/", 4)
    surface = parts[3] if path.startswith("/api/") and len(parts) > 3 else "public"
    group = surface if surface in get_rates() else "public"
    return RateLimitRule(group, resolve_rate(group))


async def enforce(rule: RateLimitRule, scope: Scope) -> str | None:
    """Count a request; its response gets the `X-RateLimit-*` headers. Raises `TooManyRequests`.

    Returns the subject that it was counted by; None if it was counted by address.
    """
    authenticator = current_context().find(Authenticator)
    if authenticator is None:
        await _count(rule, _address_key(rule, scope), scope)
        return None
    if rule.group in BY_NETWORK:
        device = authenticator.known_device(HTTPConnection(scope))
        await _count(rule, f"{rule.group}:d:{device}" if device else _address_key(rule, scope), scope)
        return None
    subject = authenticator.verified_subject(HTTPConnection(scope))
    await _count(rule, f"{rule.group}:u:{subject}" if subject else _address_key(rule, scope), scope)
    return subject


async def count_failure(rule: RateLimitRule, scope: Scope) -> None:
    """Also count a failed authentication by address. Raises `TooManyRequests`."""
    await _count(rule, _address_key(rule, scope), scope)


def _address_key(rule: RateLimitRule, scope: Scope) -> str:
    client = scope.get("client")
    return f"{rule.group}:ip:{client_key(client[0]) if client else 'unknown'}"


async def _count(rule: RateLimitRule, key: str, scope: Scope) -> None:
    result = await current_context().get(Limiter).hit(key, rule.rate)
    scope["state"]["rate_limit"] = result
    if not result.allowed:
        from undercroft.core.telemetry.metrics import RATE_LIMITED

        RATE_LIMITED.labels(rule.group).inc()
        raise TooManyRequests(retry_after=result.retry_after)
