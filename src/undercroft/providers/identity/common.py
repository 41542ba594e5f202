"""What the providers have in common: how they are asked, and what is made of what they say."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from undercroft.providers.http_client import HttpClient, HttpClientError, HttpResponse
from undercroft.providers.identity.errors import IdentityProviderUnavailable
from undercroft.providers.identity.jwks import Jwks
from undercroft.providers.identity.profile import FOREVER, to_datetime
from undercroft.providers.identity.tokens import TokenRules, TokenVerifier, is_valid_subject

DELETED_PROFILE: Any = {"email": None, "verified": False, "name": None}
"""What is left of the profile of somebody who is gone."""


def create_token_verifier(
    issuer: str, jwks_uri: Callable[[], Awaitable[str]], http_client: HttpClient, **rules: Any
) -> TokenVerifier:
    """The verifier of an issuer's tokens with its own keys."""
    jwks = Jwks(jwks_uri, http_client)
    token_verifier = TokenVerifier(TokenRules(lambda _: issuer, **rules), jwks)
    jwks.on_key_removed = token_verifier.clear_cache
    return token_verifier


async def get_with_token(http_client: HttpClient, url: str, token: str, **headers: str) -> HttpResponse:
    """Ask with a bearer token. Raises `IdentityProviderUnavailable`."""
    try:
        return await http_client.get(url, headers={"Authorization": f"Bearer {token}", **headers})
    except HttpClientError as error:
        raise IdentityProviderUnavailable from error


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a webhook's body; empty when it is something else."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def has_subject(value: object) -> bool:
    return isinstance(value, str) and is_valid_subject(value)


def parse_ban_end(value: object) -> datetime | None:
    """Until when a user is banned, as an ISO 8601 time; None for no ban, `FOREVER` for what is no time."""
    if value is None:
        return None
    return to_datetime(parse_iso_time(value)) or FOREVER


def parse_unix_milliseconds(value: object) -> float | None:
    """Unix milliseconds in seconds; None for anything else."""
    try:
        return value / 1000 if isinstance(value, int | float) else None
    except OverflowError:
        return None


def parse_iso_time(value: object) -> float | None:
    """An ISO 8601 time in Unix seconds, UTC unless it says otherwise; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
