"""AUTH_PROVIDER=clerk."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from msgspec import UNSET, UnsetType

from undercroft.core.settings import load
from undercroft.providers.http_client import HttpClient
from undercroft.providers.identity.common import (
    create_token_verifier,
    get_with_token,
    has_subject,
    json_object,
    parse_unix_milliseconds,
    verify_webhook,
)
from undercroft.providers.identity.external import ProviderEvent, ProviderEventKind
from undercroft.providers.identity.profile import FOREVER, Profile, to_datetime
from undercroft.providers.identity.settings import IdentitySettings
from undercroft.providers.identity.tokens import Claims

SESSION_ENDS = ("session.ended", "session.removed", "session.revoked")


class Clerk:
    """Clerk. Session tokens contain the page's origin in `azp`, and no email address unless the instance adds one."""

    def __init__(self, http_client: HttpClient) -> None:
        settings = load(IdentitySettings)
        self.issuer = settings.issuer
        authorized_parties = frozenset(settings.clerk_authorized_parties)
        self.token_verifier = create_token_verifier(
            self.issuer, http_client, authorized_parties=authorized_parties, accepts=_is_signed_in
        )
        self._http_client = http_client

    async def profile(self, claims: Claims, token: str) -> Profile:  # noqa: ARG002
        user = await self._user(claims.sub) if claims.email is None else None
        if user is not None:
            return self._of(user, claims.iat)
        verified = claims.has_verified_email or load(IdentitySettings).auth_trust_email
        return Profile.of(
            self.issuer, claims.sub, email=claims.email, verified=verified, name=claims.name, at=claims.iat
        )

    async def lookup(self, subject: str) -> Profile | None:
        user = await self._user(subject)
        return None if user is None else self._of(user, time.time())

    async def _user(self, subject: str) -> dict[str, Any] | None:
        """Return a user from the Backend API; None without a secret key or for an unknown user."""
        settings = load(IdentitySettings)
        key = settings.clerk_secret_key.get_secret_value()
        if not key:
            return None
        response = await get_with_token(
            self._http_client, f"{settings.clerk_api_url}/v1/users/{quote(subject, safe='')}", key
        )
        return response.content if response.ok and response.content.get("id") == subject else None

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:
        secret = load(IdentitySettings).clerk_webhook_secret.get_secret_value()
        name, sent_at = verify_webhook(headers, body, secret, prefix="svix")
        payload = json_object(body)
        kind, user = payload.get("type"), payload.get("data")
        if not isinstance(user, dict) or not has_subject(user.get("id")):
            return None
        if kind == "user.deleted":
            return ProviderEvent(name, ProviderEventKind.DELETED, Profile.of(self.issuer, user["id"], at=sent_at))
        if kind in SESSION_ENDS and has_subject(user.get("user_id")):
            profile = Profile.of(self.issuer, user["user_id"], at=sent_at)
            return ProviderEvent(name, ProviderEventKind.SESSION_ENDED, profile, session_id=user["id"])
        if kind not in ("user.created", "user.updated"):
            return None
        return ProviderEvent(name, ProviderEventKind.CHANGED, self._of(user, sent_at))

    def _of(self, user: Mapping[str, Any], seen_at: float) -> Profile:
        listed, primary_id = user.get("email_addresses"), user.get("primary_email_address_id")
        addresses = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        primary = next((each for each in addresses if each.get("id") == primary_id), {})
        verification = primary.get("verification")
        verified = isinstance(verification, dict) and verification.get("status") == "verified"
        name = " ".join(part for part in (user.get("first_name"), user.get("last_name")) if isinstance(part, str))
        return Profile.of(
            self.issuer,
            user["id"],
            email=primary.get("email_address"),
            verified=verified or load(IdentitySettings).auth_trust_email,
            name=name,
            at=parse_unix_milliseconds(user.get("updated_at")) or seen_at,
            blocked_until=_blocked_until(user),
        )


create = Clerk


def _is_signed_in(claims: Claims) -> bool:
    """Return False for `pending` sessions, which still require a task such as a second factor or a team selection."""
    return bool(claims.sts in (None, "active"))


def _blocked_until(user: Mapping[str, Any]) -> datetime | UnsetType | None:
    """Return the end of a ban (permanent, by an administrator) or of a lockout after too many wrong passwords."""
    if "banned" not in user and "locked" not in user:
        return UNSET
    if user.get("banned") is True:
        return FOREVER
    if user.get("locked") is not True:
        return None
    seconds = user.get("lockout_expires_in_seconds")
    ends_at = to_datetime(time.time() + seconds) if isinstance(seconds, int | float) else None
    return ends_at or FOREVER
