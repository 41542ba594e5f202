"""AUTH_PROVIDER=supabase."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from undercroft.core.settings import load
from undercroft.providers.http_client import HttpClient
from undercroft.providers.identity.common import (
    create_token_verifier,
    get_with_token,
    has_subject,
    json_object,
    parse_ban_end,
    parse_iso_time,
    verify_webhook,
)
from undercroft.providers.identity.external import ProviderEvent, ProviderEventKind
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.settings import IdentitySettings
from undercroft.providers.identity.tokens import Claims


class Supabase:
    """Supabase Auth with asymmetric keys, or with the project's legacy secret (HS256).

    `/auth/v1/user` determines whether an address is confirmed: users can change `user_metadata` themselves.
    """

    def __init__(self, http_client: HttpClient) -> None:
        settings = load(IdentitySettings)
        self.issuer = settings.issuer
        secret = settings.supabase_jwt_secret.get_secret_value().encode() or None
        self.token_verifier = create_token_verifier(
            self.issuer, http_client, audiences=frozenset({"authenticated"}), secret=secret
        )
        self._http_client = http_client

    async def profile(self, claims: Claims, token: str) -> Profile:
        settings = load(IdentitySettings)
        key = settings.supabase_anon_key.get_secret_value()
        if key:
            response = await get_with_token(self._http_client, f"{self.issuer}/user", token, apikey=key)
            if response.ok and response.content.get("id") == claims.sub:
                return self._of(response.content, claims.iat)
        name = (claims.user_metadata or {}).get("full_name")
        verified = settings.auth_trust_email
        return Profile.of(self.issuer, claims.sub, email=claims.email, verified=verified, name=name, at=claims.iat)

    async def lookup(self, subject: str) -> Profile | None:  # noqa: ARG002
        """Return None: Supabase shows a user only to that user, or to a key with access to the whole database."""
        return None

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:
        secret = load(IdentitySettings).supabase_webhook_secret.get_secret_value()
        name, sent_at = verify_webhook(headers, body, secret, prefix="webhook")
        payload = json_object(body)
        if (payload.get("schema"), payload.get("table")) != ("auth", "users"):
            return None
        is_deletion = payload.get("type") == "DELETE"
        row = payload.get("old_record" if is_deletion else "record")
        if not isinstance(row, dict) or not has_subject(row.get("id")):
            return None
        if is_deletion or row.get("deleted_at"):  # a hard or a soft deletion
            return ProviderEvent(name, ProviderEventKind.DELETED, Profile.of(self.issuer, row["id"], at=sent_at))
        profile = self._of(row, parse_iso_time(row.get("updated_at")) or sent_at)
        return ProviderEvent(name, ProviderEventKind.CHANGED, profile)

    def _of(self, row: Mapping[str, Any], at: float) -> Profile:
        metadata = row.get("raw_user_meta_data") or row.get("user_metadata")
        name = metadata.get("full_name") or metadata.get("name") if isinstance(metadata, dict) else None
        verified = bool(row.get("email_confirmed_at")) or load(IdentitySettings).auth_trust_email
        return Profile.of(
            self.issuer,
            row["id"],
            email=row.get("email"),
            verified=verified,
            name=name,
            at=at,
            blocked_until=parse_ban_end(row["banned_until"]) if "banned_until" in row else UNSET,
        )


create = Supabase
