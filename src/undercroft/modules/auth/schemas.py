"""Signing in over HTTP."""

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
        "Neither short nor well known; no other rules. Its length counts in NFC.", EXAMPLE_PASSWORD, MAX_LENGTH, 8
    ),
]
Token = Annotated[
    SecretStr,
    Field(min_length=1, max_length=512),
    _secret_schema("The secret, as it was given.", "hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE", 512),
]
Kind = Annotated[
    SessionKind,
    Field(
        description="`bearer` answers with tokens, `cookie` sets a session cookie for browsers.", examples=["bearer"]
    ),
]


CaptchaToken = Annotated[
    str | None, Field(max_length=4096, description="What the captcha answered, where one is on.", examples=[None])
]


class Register(Schema):
    email: Email
    password: NewPassword
    full_name: FullName = ""
    captcha_token: CaptchaToken = None


RegistrationToken = Annotated[
    Token,
    Field(description="From the response to `POST /auth/register`; the cookie that it set serves as well."),
]


class VerifyEmail(Schema):
    token: Token
    session: Kind = SessionKind.BEARER
    registration_token: RegistrationToken | None = None
    password: NewPassword | None = Field(None, description="Chosen now, instead of what was registered.")
    full_name: FullName | None = Field(None, description="Instead of the registered name.")


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
        None, description="The account's address: confirms that a browser that did not request the link signs in to it."
    )


class ConfirmEmail(Schema):
    token: Token


class DeleteAccount(Schema):
    current_password: Password


class Accepted(Schema):
    message: str


class Registered(Accepted):
    registration_token: str = Field(
        description="Ties the verification to this client: with it, or with the cookie set along with it, "
        "`POST /auth/verify-email` takes the registered password. Store it until then; do not show it to anyone."
    )


class TokenPair(Schema):
    """The access token goes into `Authorization: Bearer …`; the refresh token gets the next pair, once."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds for which the access token is valid.")


class SignedOut(Schema):
    ended: int = Field(description="How many sessions there were.")


class CookieSession(Schema):
    """The cookie is set; unsafe requests send the token as `X-CSRF-Token`."""

    user: UserRead
    csrf_token: str


HasPassword = Annotated[
    bool,
    Field(
        description="False: the account has no password, because the link was opened without the registering client's "
        "`registration_token` or cookie and without a `password`. `POST /auth/password/forgot` mails a link to set one."
    ),
]


class VerifiedTokens(TokenPair):
    has_password: HasPassword


class VerifiedSession(CookieSession):
    has_password: HasPassword


class CsrfToken(Schema):
    csrf_token: str


class SessionRead(Schema):
    """One device that is signed in."""

    id: UUID
    kind: SessionKind
    device: str = Field(description="Browser and system, as far as the device says.")
    ip: str = Field(description="Where it was last used from.")
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime = Field(description="When it ends unless it is used.")
    current: bool = Field(description="Whether this request belongs to it.")

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
