"""Deviations of GitHub, Apple, Microsoft, Supabase and Clerk from plain OpenID Connect."""

import hashlib
import time
from typing import TYPE_CHECKING, Any

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from undercroft.devstack.emulators.oidc.issuer import OidcIssuer, ProviderUser

MICROSOFT = "/microsoft/common/v2.0"
MICROSOFT_TENANT = "3b9c1f0e-5a7d-4c26-9f58-0d2f6d9f1a11"
APPLE_TEAM, APPLE_KEY_ID = "TEAM123456", "KEY1234567"


def discovery_issuer(issuer: "OidcIssuer", prefix: str) -> str:
    """Return the issuer of the discovery document. Microsoft's shared issuer contains a placeholder."""
    return f"{issuer.url}{prefix.replace('/common/', '/{tenantid}/')}"


def extra_claims(issuer: "OidcIssuer", prefix: str, user: "ProviderUser") -> dict[str, Any]:
    """Return the service's additional ID token claims. Microsoft names the tenant and omits `email_verified`."""
    verified = issuer.has_verified_email(user)
    if prefix.startswith("/microsoft/"):
        return {
            "iss": f"{issuer.url}{prefix.replace('/common/', f'/{MICROSOFT_TENANT}/')}",
            "tid": MICROSOFT_TENANT,
            "email_verified": None,
            "xms_edov": verified,
        }
    if prefix == "/apple":
        return {"email_verified": "true" if verified else "false"}
    return {}


def is_apple_secret(issuer: "OidcIssuer", client_id: str, secret: str) -> bool:
    """Return whether a client secret is a valid JWT for Apple: ES256, signed with the team's key, for this client."""
    try:
        claims = jwt.decode(
            secret,
            issuer.apple_key.public_key(),
            ["ES256"],
            audience=f"{issuer.url}/apple",
            issuer=APPLE_TEAM,
            options={"require": ["exp", "iat", "sub"]},
        )
    except jwt.InvalidTokenError:
        return False
    return bool(claims["sub"] == client_id and jwt.get_unverified_header(secret).get("kid") == APPLE_KEY_ID)


def handle_request(issuer: "OidcIssuer", request: Request) -> Response | None:
    """Serve GitHub's API, Supabase's `/auth/v1/user` and Clerk's `/v1/users/{id}`."""
    if request.url.path.startswith("/clerk/v1/users/"):
        user = issuer.users.get(request.url.path.rpartition("/")[2])
        return JSONResponse(clerk_user(issuer, user)) if user else JSONResponse({"errors": []}, 404)
    if request.url.path == "/supabase/auth/v1/user":
        return _supabase_user(issuer, request)
    if request.url.path.startswith("/github/api/user"):
        return _github(issuer, request)
    return None


def _github(issuer: "OidcIssuer", request: Request) -> Response:
    user = issuer.access_tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
    if user is None:
        return JSONResponse({"message": "Bad credentials"}, 401)
    if request.url.path == "/github/api/user":
        number = int(hashlib.sha256(user.subject.encode()).hexdigest()[:8], 16)
        return JSONResponse({"id": number, "login": user.subject, "name": user.name, "email": None})
    if "email_missing" in issuer.failures:
        return JSONResponse([])
    verified = issuer.has_verified_email(user)
    other = {"email": f"other-{user.email}", "primary": False, "verified": True, "visibility": None}
    return JSONResponse([other, {"email": user.email, "primary": True, "verified": verified, "visibility": "public"}])


def _supabase_user(issuer: "OidcIssuer", request: Request) -> Response:
    if not request.headers.get("apikey"):
        return JSONResponse({"message": "No API key found in request"}, 401)
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        subject = jwt.decode(token, options={"verify_signature": False})["sub"]
    except (jwt.InvalidTokenError, KeyError):
        subject = ""
    user = issuer.users.get(subject)
    return JSONResponse(supabase_user(issuer, user)) if user else JSONResponse({"code": 403}, 403)


def supabase_user(issuer: "OidcIssuer", user: "ProviderUser", *, updated_at: float | None = None) -> dict[str, Any]:
    """Return a row of `auth.users` as in Supabase's API and webhooks."""
    confirmed = issuer.has_verified_email(user)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(updated_at or issuer.now()))
    return {
        "id": user.subject,
        "aud": "authenticated",
        "role": "authenticated",
        "email": user.email,
        "email_confirmed_at": f"{moment}Z" if confirmed else None,
        "raw_user_meta_data": {"full_name": user.name},
        "user_metadata": {"full_name": user.name},
        "banned_until": "2199-01-01T00:00:00Z" if user.banned else None,
        "deleted_at": None,
        "updated_at": f"{moment}Z",
    }


def clerk_user(issuer: "OidcIssuer", user: "ProviderUser", *, updated_at: float | None = None) -> dict[str, Any]:
    """Return a Clerk user as in its API and webhooks."""
    verified = issuer.has_verified_email(user)
    address = {
        "id": "idn_1",
        "email_address": user.email,
        "verification": {"status": "verified" if verified else "unverified"},
    }
    first, _, last = user.name.partition(" ")
    return {
        "id": user.subject,
        "object": "user",
        "first_name": first,
        "last_name": last or None,
        "primary_email_address_id": "idn_1",
        "email_addresses": [] if "email_missing" in issuer.failures else [address],
        "banned": user.banned,
        "locked": user.locked_for is not None,
        "lockout_expires_in_seconds": user.locked_for or None,
        "updated_at": int((updated_at or issuer.now()) * 1000),
    }
