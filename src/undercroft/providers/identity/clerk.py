"""AUTH_PROVIDER=clerk."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from undercroft.core.settings import load
from undercroft.providers.identity.asking import NOTHING, ask, has_subject, json_object, tokens_of, unix_milliseconds
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.protocol import Event, News
from undercroft.providers.identity.settings import IdentitySettings
from undercroft.providers.identity.signatures import verified_id
from undercroft.providers.identity.tokens import Claims
from undercroft.providers.outgoing import Outgoing


class Clerk:
    """Clerk: session tokens name the page in `azp` and hold no address unless the instance adds one."""

    def __init__(self, outgoing: Outgoing) -> None:
        settings = load(IdentitySettings)
        self.issuer = settings.issuer
        parties = frozenset(settings.clerk_authorized_parties)
        self.tokens = tokens_of(self.issuer, self._jwks_uri, outgoing, parties=parties)
        self._outgoing = outgoing

    async def _jwks_uri(self) -> str:
        return f"{self.issuer}/.well-known/jwks.json"

    async def profile(self, claims: Claims, token: str) -> Profile:  # noqa: ARG002
        settings = load(IdentitySettings)
        key = settings.clerk_secret_key.get_secret_value()
        if claims.email is None and key:
            reply = await ask(self._outgoing, f"{settings.clerk_api_url}/v1/users/{quote(claims.sub, safe='')}", key)
            if reply.ok and reply.content.get("id") == claims.sub:
                return self._of(reply.content, claims.iat)
        verified = claims.says_verified or settings.auth_trust_email
        return Profile.of(
            self.issuer, claims.sub, email=claims.email, verified=verified, name=claims.name, at=claims.iat
        )

    def event(self, headers: Mapping[str, str], body: bytes) -> Event | None:
        secret = load(IdentitySettings).clerk_webhook_secret.get_secret_value()
        name, sent_at = verified_id(headers, body, secret, prefix="svix")
        said = json_object(body)
        kind, user = said.get("type"), said.get("data")
        if not isinstance(user, dict) or not has_subject(user.get("id")):
            return None
        if kind == "user.deleted":
            return Event(name, News.DELETED, Profile.of(self.issuer, user["id"], **NOTHING, at=sent_at))
        if kind not in ("user.created", "user.updated"):
            return None
        return Event(name, News.CHANGED, self._of(user, unix_milliseconds(user.get("updated_at")) or sent_at))

    def _of(self, user: Mapping[str, Any], at: float) -> Profile:
        listed = user.get("email_addresses")
        primary = next(
            (
                each
                for each in (listed if isinstance(listed, list) else [])
                if isinstance(each, dict) and each.get("id") == user.get("primary_email_address_id")
            ),
            {},
        )
        proof = primary.get("verification")
        verified = isinstance(proof, dict) and proof.get("status") == "verified"
        name = " ".join(part for part in (user.get("first_name"), user.get("last_name")) if isinstance(part, str))
        return Profile.of(
            self.issuer,
            user["id"],
            email=primary.get("email_address"),
            verified=verified or load(IdentitySettings).auth_trust_email,
            name=name,
            at=at,
        )
