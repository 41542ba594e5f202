"""Request and response bodies of the auth API."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, SecretStr, WithJsonSchema

from undercroft.core.security.passwords import MAX_INPUT, MAX_LENGTH, normalize
from undercroft.core.validation import Email, Schema
from undercroft.modules.auth.models import AuthSession, SessionKind
from undercroft.modules.users import FullName, UserRead

EXAMPLE_PASSWORD = "three otters in a boat"  # noqa: S105 - an example


def _secret_schema(description: str, example: str, max_length: int, min_length: int = 1) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "writeOnly": True,
            "minLength": min_length,
            "maxLength": max_length,
            "description": description,
            "examples": [example],
        }
    )


def _normalized(value: object) -> object:
    return normalize(value) if isinstance(value, str) else value


Password = Annotated[
    SecretStr, Field(min_length=1, max_length=MAX_INPUT), _secret_schema("A password.", EXAMPLE_PASSWORD, MAX_INPUT)
]
NewPassword = Annotated[
    SecretStr,
    Field(min_length=8, max_length=MAX_LENGTH),
    BeforeValidator(_normalized),
    _secret_schema(
        "A new password. Common passwords are rejected. Its length is counted after NFC normalization.",
        EXAMPLE_PASSWORD,
        MAX_LENGTH,
        8,
    ),
]
Token = Annotated[
    SecretStr,
    Field(min_length=1, max_length=512),
    _secret_schema("The secret token.", "hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE", 512),
]
Kind = Annotated[
    SessionKind,
    Field(description="`bearer` returns tokens, `cookie` sets a session cookie for browsers.", examples=["bearer"]),
]


CaptchaToken = Annotated[
    str | None, Field(max_length=4096, description="Response of the captcha, if one is configured.", examples=[None])
]


class Register(Schema):
    email: Email
    password: NewPassword
    full_name: FullName = ""
    captcha_token: CaptchaToken = None


RegistrationToken = Annotated[
    Token,
    Field(
        description="Token from the response of `POST /auth/register`; optional if the request has the cookie it set."
    ),
]


class VerifyEmail(Schema):
    token: Token
    session: Kind = SessionKind.BEARER
    registration_token: RegistrationToken | None = None
    password: NewPassword | None = Field(None, description="Password that replaces the registered one.")
    full_name: FullName | None = Field(None, description="Name that replaces the registered one.")


class SignInRequest(Schema):
    email: Email
    password: Password
    session: Kind = SessionKind.BEARER
    captcha_token: CaptchaToken = None


class EmailOnly(Schema):
    email: Email
    captcha_token: CaptchaToken = None


class RefreshRequest(Schema):
    refresh_token: Token


class ResetPassword(Schema):
    token: Token
    password: NewPassword


class ChangePassword(Schema):
    current_password: Password
    new_password: NewPassword


class ChangeEmail(Schema):
    new_email: Email
    current_password: Password


class MagicLinkVerify(Schema):
    token: Token
    session: Kind = SessionKind.BEARER
    email: Email | None = Field(
        None,
        description="The account's email address; confirms the sign-in of a browser that did not request the link.",
    )


class ConfirmEmail(Schema):
    token: Token


class DeleteAccount(Schema):
    current_password: Password


class Accepted(Schema):
    message: str


class Registered(Accepted):
    registration_token: str = Field(
        description="Secret that binds the verification to this client. With it, or with the cookie from the same "
        "response, `POST /auth/verify-email` applies the registered password. Store it until then."
    )


class TokenPair(Schema):
    """Send the access token as `Authorization: Bearer …`. The refresh token can be exchanged once for a new pair."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Lifetime of the access token, in seconds.")


class SignedOut(Schema):
    ended: int = Field(description="Number of sessions that were revoked.")


class CookieSession(Schema):
    """The response sets the session cookie. Send the token as `X-CSRF-Token` with unsafe requests."""

    user: UserRead
    csrf_token: str


HasPassword = Annotated[
    bool,
    Field(
        description="Whether the account has a password. False if the link was opened without the registering client's "
        "`registration_token` or cookie and without a `password`. `POST /auth/password/forgot` sends a link to set one."
    ),
]


class VerifiedTokens(TokenPair):
    has_password: HasPassword


class VerifiedSession(CookieSession):
    has_password: HasPassword


class CsrfToken(Schema):
    csrf_token: str


class SessionRead(Schema):
    """A session on one device."""

    id: UUID
    kind: SessionKind
    device: str = Field(description="Browser and operating system, from the User-Agent header.")
    ip: str = Field(description="IP address of the last use.")
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime = Field(description="Time at which the session expires unless it is used.")
    current: bool = Field(description="Whether this is the session of the current request.")

    @classmethod
    def of(cls, session: AuthSession, *, current: UUID | None) -> "SessionRead":
        from undercroft.modules.auth.client import device_name

        return cls(
            id=session.id,
            kind=SessionKind(session.kind),
            device=device_name(session.user_agent),
            ip=session.ip,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.expires_at,
            current=session.id == current,
        )


class Jwk(Schema):
    kty: str
    n: str
    e: str
    kid: str
    use: str
    alg: str


class JwkSet(Schema):
    keys: list[Jwk]
