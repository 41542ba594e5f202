"""How often anybody may ask.

Every route is limited by its surface's rate, shared by all its routes; a route may say otherwise in one line:

    @router.post("/login")
    @limit("sign_in")                  # the setting RATE_LIMIT_SIGN_IN, or a name given to `register_limit`;
                                       # all routes of one name share what it allows
    async def login(…): ...

    @limit("5/minute")                 # a rate of its own
    @limit(None)                       # no limit

Requests are counted by the subject of their signed token, else by the client's address. Signing in is counted by the
address whatever token comes along, because guesses about one account may carry tokens of others; there, a device on
which an account signed in before counts apart, so that its neighbors on one address cannot lock it out.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.types import Scope

from undercroft.core.cache import Cache
from undercroft.core.errors import TooManyRequests
from undercroft.core.http.counters import MemoryCounters, RateLimitResult, RedisCounters
from undercroft.core.http.middleware.trusted_proxies import client_key
from undercroft.core.http.rates import Rate
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import load

log = structlog.get_logger("undercroft.security")

EXEMPT = frozenset({"/health", "/metrics", "/api/v1/public/health", "/api/v1/public/health/ready"})
F = TypeVar("F", bound=Callable[..., Any])

BY_NETWORK = frozenset({"auth", "sign_in", "sign_in_request"})
"""Groups whose requests come from clients that are not signed in, or must not gain by being it."""

_named_rates: dict[str, Callable[[], str]] = {
    name: lambda name=name: getattr(load(HttpSettings), f"rate_limit_{name}")  # type: ignore[misc]
    for name in ("public", "auth", "app", "admin", "sign_in")
}
_named_rates["sign_in_request"] = _named_rates["sign_in"]
"""For routes that ask for a link or a challenge: as many as of those that present a secret, counted apart."""


def limit(rate: str | None) -> Callable[[F], F]:
    """Limit an endpoint by a rate of its own, by a named one, or not at all; instead of its surface's."""

    def mark(endpoint: F) -> F:
        endpoint.__limit__ = rate  # type: ignore[attr-defined]
        return endpoint

    return mark


def register_limit(name: str, rate: Callable[[], str]) -> None:
    """Let `@limit(name)` mean the rate that this function reads, from a module's settings for example."""
    _named_rates[name] = rate


class Limiter:
    """Counts hits; on Redis where there is one, else in this process."""

    def __init__(self, cache: Cache) -> None:
        self._memory = MemoryCounters()
        self._shared = RedisCounters(cache) if cache else None

    async def hit(self, key: str, rate: Rate | str) -> RateLimitResult:
        """Count one hit of this key, whatever `RATE_LIMIT_SCALE` says, if it is within the rate.

        A named rate is scaled. When Redis cannot be asked, the hit is allowed.
        """
        rate = rate if isinstance(rate, Rate) else resolve_rate(rate)
        if self._shared is None:
            return self._memory.hit(key, rate)
        return await self._shared.hit(key, rate) or RateLimitResult(True, rate.times, rate.times, rate.seconds, 0)

    async def require(self, key: str, rate: Rate | str) -> None:
        """Count one hit. Raises `TooManyRequests` when the rate is used up."""
        verdict = await self.hit(key, rate)
        if not verdict.allowed:
            raise TooManyRequests(retry_after=verdict.retry_after)


def resolve_rate(text: str) -> Rate:
    """The rate of this name or notation, times `RATE_LIMIT_SCALE`."""
    notation = text if "/" in text else _named_rates[text]()
    return Rate.parse(notation).scaled(load(HttpSettings).scale)


class RateLimitRule(Struct, frozen=True):
    """What a route's requests are counted under, and how many may come. Routes of one group share the count."""

    group: str
    rate: Rate


def get_rate_limit_rule(path: str, endpoint: Any) -> RateLimitRule | None:
    """The rule of a route, decided once when the routes are put into the table; None when it is not limited."""
    text = getattr(endpoint, "__limit__", "")
    if text is None or (text == "" and path in EXEMPT):
        return None
    if text:
        group = text if text in _named_rates else f"{endpoint.__module__}.{endpoint.__qualname__}"
        return RateLimitRule(group, resolve_rate(text))
    parts = path.split("/", 4)
    surface = parts[3] if path.startswith("/api/") and len(parts) > 3 else "public"
    group = surface if surface in _named_rates else "public"
    return RateLimitRule(group, resolve_rate(group))


async def enforce(rule: RateLimitRule, scope: Scope) -> str | None:
    """Count a request; its answer gets `X-RateLimit-*`. Raises `TooManyRequests`.

    Gives back the subject that it was counted by; None when that was the address.
    """
    authenticator = getattr(scope["app"].state, "authenticator", None)
    if authenticator is None:
        await _count(rule, _address_key(rule, scope), scope)
        return None
    if rule.group in BY_NETWORK:
        device = authenticator.known_device(Request(scope))
        await _count(rule, f"{rule.group}:d:{device}" if device else _address_key(rule, scope), scope)
        return None
    subject: str | None = authenticator.verified_subject(Request(scope))
    await _count(rule, f"{rule.group}:u:{subject}" if subject else _address_key(rule, scope), scope)
    return subject


async def count_failure(rule: RateLimitRule, scope: Scope) -> None:
    """Count a failed authentication by address as well. Raises `TooManyRequests`."""
    await _count(rule, _address_key(rule, scope), scope)


def _address_key(rule: RateLimitRule, scope: Scope) -> str:
    client = scope.get("client")
    return f"{rule.group}:ip:{client_key(client[0]) if client else 'unknown'}"


async def _count(rule: RateLimitRule, key: str, scope: Scope) -> None:
    verdict = await scope["app"].state.limiter.hit(key, rule.rate)
    scope["state"]["rate_limit"] = verdict
    if not verdict.allowed:
        from undercroft.core.telemetry.metrics import RATE_LIMITED

        RATE_LIMITED.labels(rule.group).inc()
        raise TooManyRequests(retry_after=verdict.retry_after)
