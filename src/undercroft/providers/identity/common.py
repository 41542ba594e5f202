"""Helpers that the providers share: requests, parsing of responses, and signatures of webhooks."""

import hashlib
import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from undercroft.core.security.tokens import constant_time_compare
from undercroft.providers.http_client import HttpClient, HttpClientError, HttpResponse
from undercroft.providers.identity.errors import BadSignature, IdentityProviderUnavailable
from undercroft.providers.identity.jwks import Jwks
from undercroft.providers.identity.profile import FOREVER, to_datetime
from undercroft.providers.identity.tokens import TokenRules, TokenVerifier, is_valid_subject


def create_token_verifier(
    issuer: str, http_client: HttpClient, *, jwks_uri: Callable[[], Awaitable[str]] | None = None, **rules: Any
) -> TokenVerifier:
    """Create a verifier of an issuer's tokens that uses the issuer's JWKS, by default at the usual address."""

    async def usual_uri() -> str:
        return f"{issuer}/.well-known/jwks.json"

    jwks = Jwks(jwks_uri or usual_uri, http_client)
    token_verifier = TokenVerifier(TokenRules(lambda _: issuer, **rules), jwks)
    jwks.on_key_removed = token_verifier.clear_cache
    return token_verifier


async def get_with_token(http_client: HttpClient, url: str, token: str, **headers: str) -> HttpResponse:
    """Send a GET request with a bearer token. Raises `IdentityProviderUnavailable`."""
    try:
        return await http_client.get(url, headers={"Authorization": f"Bearer {token}", **headers})
    except HttpClientError as error:
        raise IdentityProviderUnavailable from error


async def fetch_userinfo(http_client: HttpClient, endpoint: str, token: str, subject: str) -> dict[str, Any] | None:
    """Return the claims of the userinfo endpoint; None if it refuses the token or describes another user."""
    response = await get_with_token(http_client, endpoint, token)
    return response.content if response.ok and response.content.get("sub") == subject else None


def json_object(body: bytes) -> dict[str, Any]:
    """Parse the JSON object in a webhook's body; return an empty dictionary for anything else."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def has_subject(value: object) -> bool:
    return isinstance(value, str) and is_valid_subject(value)


def parse_ban_end(value: object) -> datetime | None:
    """Parse the end of a ban from an ISO 8601 time; None for no ban, `FOREVER` for an unreadable time."""
    if value is None:
        return None
    return to_datetime(parse_iso_time(value)) or FOREVER


def parse_unix_milliseconds(value: object) -> float | None:
    """Convert Unix milliseconds to seconds; None for anything else."""
    try:
        return value / 1000 if isinstance(value, int | float) else None
    except OverflowError:
        return None


def parse_iso_time(value: object) -> float | None:
    """Convert an ISO 8601 time to Unix seconds, UTC if it has no offset; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


TOLERANCE_SECONDS = 300
"""Maximum difference between a webhook's timestamp and the current time in seconds."""


def verify_webhook(headers: Mapping[str, str], body: bytes, secret: str, *, prefix: str) -> tuple[str, float]:
    """Verify a webhook and return its ID and timestamp in Unix seconds; `prefix` is `svix` or `webhook`.

    A retry has the same ID with a new timestamp and signature. Raises `BadSignature`.
    """
    webhook_id, timestamp, signatures = (
        headers.get(f"{prefix}-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not (0 < len(webhook_id) <= 256 and timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise BadSignature
    digest = hmac.new(_key(secret), f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = f"v1,{b64encode(digest).decode()}"
    if not any(constant_time_compare(expected, each) for each in signatures.split(" ")[:10]):
        raise BadSignature
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise BadSignature
    return webhook_id, float(timestamp)


def _key(secret: str) -> bytes:
    """Decode `v1,whsec_…` (Supabase), `whsec_…` (svix) or bare base64. Raises `BadSignature` if there is no key."""
    encoded = secret.removeprefix("v1,").removeprefix("whsec_")
    try:
        key = b64decode(encoded, validate=True)
    except ValueError:
        raise BadSignature from None
    if not key:
        raise BadSignature
    return key
