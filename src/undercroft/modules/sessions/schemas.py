"""Request and response bodies of sessions and tokens."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, SecretStr

from undercroft.core.validation import Schema
from undercroft.core.validation.schema import secret_schema
from undercroft.modules.sessions.models import AuthSession, SessionKind
from undercroft.modules.sessions.service.client import device_name
from undercroft.modules.users import UserRead

Token = Annotated[
    SecretStr,
    Field(min_length=1, max_length=512),
    secret_schema("The secret token.", "hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE", 512),
]

ACCESS_TOKEN: Any = {"examples": ["eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTk4ZjNjMiJ9.c2lnbmF0dXJl"]}
REFRESH_TOKEN: Any = {"examples": ["hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE"]}

Kind = Annotated[
    SessionKind,
    Field(description="`bearer` returns tokens, `cookie` sets a session cookie for browsers.", examples=["bearer"]),
]


class RefreshRequest(Schema):
    refresh_token: Token


class SignOut(Schema):
    refresh_token: Token | None = Field(None, description="Refresh token of the session, without its access token.")


class TokenPair(Schema):
    """Send the access token as `Authorization: Bearer …`. The refresh token can be exchanged once for a new pair."""

    access_token: str = Field(description="Access token, to send as `Authorization: Bearer …`.", **ACCESS_TOKEN)
    refresh_token: str = Field(description="Token that can be exchanged once for a new pair.", **REFRESH_TOKEN)
    token_type: Literal["bearer"] = Field("bearer", description="Scheme of the `Authorization` header.")
    expires_in: int = Field(description="Lifetime of the access token, in seconds.", examples=[900])


class SignedOut(Schema):
    revoked: int = Field(description="Number of sessions that were revoked.")


class SignInResponse(Schema):
    """The new session. `bearer` returns tokens; `cookie` sets the session cookie and returns a CSRF token."""

    session: Kind
    user: UserRead = Field(description="The user who signed in.")
    access_token: str | None = Field(
        None, description="Token to send as `Authorization: Bearer …`; null for a cookie.", **ACCESS_TOKEN
    )
    refresh_token: str | None = Field(
        None, description="Token that can be exchanged once for a new pair; null for a cookie.", **REFRESH_TOKEN
    )
    expires_in: int | None = Field(
        None, description="Lifetime of the access token, in seconds; null for a cookie.", examples=[900]
    )
    csrf_token: str | None = Field(
        None,
        description="Token to send as `X-CSRF-Token` with the session cookie; null for `bearer`.",
        examples=[None],
    )


class CsrfToken(Schema):
    csrf_token: str = Field(
        description="Token to send as `X-CSRF-Token` with the session cookie and an unsafe method.",
        examples=["q1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjEhT"],
    )


class SessionRead(Schema):
    """A session on one device."""

    id: UUID
    kind: Kind
    device: str = Field(
        description="Browser and operating system, from the User-Agent header.", examples=["Firefox on Linux"]
    )
    ip: str = Field(description="IP address of the last use.", examples=["192.0.2.1"])
    created_at: datetime
    last_seen_at: datetime = Field(description="Time of the last use.")
    expires_at: datetime = Field(description="Time at which the session expires unless it is used.")
    current: bool = Field(description="Whether this is the session of the current request.")

    @classmethod
    def of(cls, session: AuthSession, *, current: UUID | None) -> "SessionRead":
        return cls(**dict(session), device=device_name(session.user_agent), current=session.id == current)


class Jwk(Schema):
    """A public RSA key (RFC 7517)."""

    kty: str = Field(description="Type of the key.", examples=["RSA"])
    n: str = Field(description="Modulus, in Base64url.", examples=["0vx7agoebGcQSuuPiLJXZptN9nndrQmb"])
    e: str = Field(description="Exponent, in Base64url.", examples=["AQAB"])
    kid: str = Field(description="ID of the key, as in the header of a token.", examples=["2026-11"])
    use: str = Field(description="Use of the key: signatures.", examples=["sig"])
    alg: str = Field(description="Signature algorithm.", examples=["RS256"])


class JwkSet(Schema):
    keys: list[Jwk] = Field(description="Keys that sign access tokens, now or soon.")


def security_schemes() -> dict[str, dict[str, Any]]:
    """OpenAPI's security schemes of bearer tokens and session cookies."""
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "Access token or API key. Takes precedence over the session cookie.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-uc_session",
            "description": "Session cookie; unsafe methods also require the header `X-CSRF-Token`.",
        },
    }
