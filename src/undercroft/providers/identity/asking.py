"""What the providers have in common: how they are asked, and what is made of what they say."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from undercroft.providers.identity.errors import IdentityProviderUnavailable
from undercroft.providers.identity.jwks import Jwks
from undercroft.providers.identity.profile import FOREVER, moment_of
from undercroft.providers.identity.tokens import Rules, Tokens, is_subject
from undercroft.providers.outgoing import Outgoing, Reply, Unreachable

NOTHING: Any = {"email": None, "verified": False, "name": None}
"""What is left of the profile of somebody who is gone."""


def tokens_of(issuer: str, jwks_uri: Callable[[], Awaitable[str]], outgoing: Outgoing, **rules: Any) -> Tokens:
    """The verifier of an issuer's tokens with its own keys."""
    jwks = Jwks(jwks_uri, outgoing)
    tokens = Tokens(Rules(lambda _: issuer, **rules), jwks)
    jwks.on_withdrawn = tokens.forget
    return tokens


async def ask(outgoing: Outgoing, url: str, token: str, **headers: str) -> Reply:
    """Ask with a bearer token. Raises `IdentityProviderUnavailable`."""
    try:
        return await outgoing.get(url, headers={"Authorization": f"Bearer {token}", **headers})
    except Unreachable as error:
        raise IdentityProviderUnavailable from error


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a webhook's body; empty when it is something else."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def has_subject(value: object) -> bool:
    return isinstance(value, str) and is_subject(value)


def ban_end(value: object) -> datetime | None:
    """Until when a user is banned, as an ISO 8601 time; None for no ban, `FOREVER` for what is no time."""
    if value is None:
        return None
    return moment_of(unix_time(value)) or FOREVER


def unix_milliseconds(value: object) -> float | None:
    """Unix milliseconds in seconds; None for anything else."""
    try:
        return value / 1000 if isinstance(value, int | float) else None
    except OverflowError:
        return None


def unix_time(value: object) -> float | None:
    """An ISO 8601 time in Unix seconds, UTC unless it says otherwise; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
