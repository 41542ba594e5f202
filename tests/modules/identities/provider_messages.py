"""Tokens and webhooks of Supabase and Clerk for the users of the OIDC emulator."""

import hashlib
import hmac
import json
import secrets
import time
from base64 import b64decode, b64encode
from typing import Any

import jwt

from undercroft.devstack.emulators.oidc import Failure, OidcIssuer, ProviderUser
from undercroft.devstack.emulators.oidc.dialects import clerk_user, supabase_user
from undercroft.devstack.emulators.oidc.issuer import SUPABASE_SECRET, WRONG_AUDIENCE


def supabase_token(issuer: OidcIssuer, user: ProviderUser, *errors: Failure, legacy: bool = False, **more: Any) -> str:
    """Return a Supabase access token. A `legacy` token is signed with the project's shared secret."""
    claims = {
        **issuer.claims(user, prefix="/supabase/auth/v1", errors=errors),
        "role": "authenticated",
        "session_id": secrets.token_hex(16),
        "is_anonymous": False,
        "user_metadata": {"full_name": user.name, "email_verified": True},
    }
    claims.pop("email_verified", None)
    if claims["aud"] != WRONG_AUDIENCE:
        claims["aud"] = "authenticated"
    claims |= more
    return jwt.encode(claims, SUPABASE_SECRET, "HS256") if legacy else issuer.sign(claims, *errors)


def clerk_token(issuer: OidcIssuer, user: ProviderUser, *errors: Failure, **more: Any) -> str:
    """Return a Clerk session token: no audience, no email address, and the page's origin in `azp`."""
    claims = issuer.claims(user, prefix="/clerk", errors=errors)
    for name in ("aud", "email", "email_verified", "name"):
        claims.pop(name, None)
    claims |= {"sid": f"sess_{secrets.token_hex(8)}", "azp": "https://app.example.com", "v": 2, **more}
    return issuer.sign({name: value for name, value in claims.items() if value is not None}, *errors)


def clerk_event(
    issuer: OidcIssuer, kind: str, user: ProviderUser, *, updated_at: float | None = None
) -> dict[str, Any]:
    """Return the body of a Clerk user webhook."""
    moment = updated_at or issuer.now()
    gone = {"id": user.subject, "object": "user", "deleted": True}
    data = gone if kind == "user.deleted" else clerk_user(issuer, user, updated_at=moment)
    return {"type": kind, "object": "event", "data": data, "timestamp": int(moment * 1000)}


def clerk_session_event(issuer: OidcIssuer, kind: str, user: ProviderUser, session_id: str) -> dict[str, Any]:
    """Return the body of a Clerk session webhook: `session.ended`, `session.removed` or `session.revoked`."""
    moment = int(issuer.now() * 1000)
    data = {
        "id": session_id,
        "object": "session",
        "user_id": user.subject,
        "status": kind.removeprefix("session."),
        "updated_at": moment,
    }
    return {"type": kind, "object": "event", "data": data, "timestamp": moment}


def supabase_event(
    issuer: OidcIssuer, kind: str, user: ProviderUser, *, updated_at: float | None = None
) -> dict[str, Any]:
    """The body of a database webhook of Supabase: INSERT, UPDATE or DELETE on `auth.users`."""
    row = supabase_user(issuer, user, updated_at=updated_at)
    gone = kind == "DELETE"
    return {
        "type": kind,
        "schema": "auth",
        "table": "users",
        "record": None if gone else row,
        "old_record": row if gone else None,
    }


def sign_webhook(
    body: dict[str, Any], secret: str, *, prefix: str = "svix", event_id: str | None = None, at: float | None = None
) -> tuple[bytes, dict[str, str]]:
    """A webhook's body and headers, signed as svix and Standard Webhooks do."""
    raw = json.dumps(body).encode()
    name, moment = event_id or f"msg_{secrets.token_hex(10)}", str(int(at or time.time()))
    key = b64decode(secret.removeprefix("v1,").removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{moment}.".encode() + raw, hashlib.sha256).digest()
    headers = {
        f"{prefix}-id": name,
        f"{prefix}-timestamp": moment,
        f"{prefix}-signature": f"v1,{b64encode(digest).decode()}",
        "content-type": "application/json",
    }
    return raw, headers
