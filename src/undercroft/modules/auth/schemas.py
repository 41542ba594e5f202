"""Request and response bodies of the auth API."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr

from undercroft.core.security.passwords import MAX_INPUT, MAX_LENGTH, normalize
from undercroft.core.settings import CoreSettings, load
from undercroft.core.validation import Email, Schema
from undercroft.core.validation.schema import secret_schema
from undercroft.modules.sessions import Kind, SessionKind, SignInResponse, Token
from undercroft.modules.users import FullName

CHECK_EMAIL_MESSAGE = "Check your email. We sent a link to the address: open it to create your account."
LINK_SENT_MESSAGE = "If an account exists for this address, we have sent it a link."
EXAMPLE_PASSWORD = "three otters in a boat"  # noqa: S105 - an example


def _normalized(value: object) -> object:
    return normalize(value) if isinstance(value, str) else value


Password = Annotated[
    SecretStr, Field(min_length=1, max_length=MAX_INPUT), secret_schema("A password.", EXAMPLE_PASSWORD, MAX_INPUT)
]
NewPassword = Annotated[
    SecretStr,
    Field(min_length=8, max_length=MAX_LENGTH),
    BeforeValidator(_normalized),
    secret_schema(
        "A new password. Common passwords are rejected. Its length is counted after NFC normalization.",
        EXAMPLE_PASSWORD,
        MAX_LENGTH,
        8,
    ),
]


CaptchaToken = Annotated[
    str | None,
    Field(max_length=4096, description="Response of the captcha, if one is configured.", examples=[None]),
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


class PasswordGrant(Schema):
    """A token request of OAuth 2.0 with the password grant (RFC 6749, 4.3.2). Other parameters are ignored."""

    grant_type: Literal["password"] = Field("password", description="Grant type.")
    username: Email = Field(description="Email address.")
    password: Password
    captcha_token: CaptchaToken = None


class EmailOnly(Schema):
    email: Email
    captcha_token: CaptchaToken = None


class ResetPassword(Schema):
    token: Token
    password: NewPassword


class ChangePassword(Schema):
    current_password: Password
    new_password: NewPassword


class ChangeEmail(Schema):
    new_email: Email = Field(description="Email address that replaces the current one.")
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
    message: str = Field(description="Message for the user.", examples=["Check your email."])


class RegistrationStatus(StrEnum):
    VERIFICATION_SENT = "verification_sent"
    WAITLISTED = "waitlisted"


class Registered(Accepted):
    status: RegistrationStatus = Field(
        RegistrationStatus.VERIFICATION_SENT,
        description="`verification_sent`, or `waitlisted` if users have to wait for an account: nothing of the "
        "registration is stored except the address, and an email follows when it is the user's turn.",
    )
    registration_token: str = Field(
        description="Secret that binds the verification to this client. With it, or with the cookie from the same "
        "response, `POST /auth/verify-email` applies the registered password. Store it until then. Unused if the "
        "status is `waitlisted`.",
        examples=["hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE"],
    )


class EmailVerified(SignInResponse):
    """The new session and the state of the new account."""

    has_password: bool = Field(
        False,
        description="Whether the account has a password. False if the link was opened without the registering "
        "client's `registration_token` or cookie and without a `password`; `POST /auth/password/forgot` sends a link "
        "to set one.",
    )


def security_schemes() -> dict[str, dict[str, Any]]:
    """OpenAPI's security scheme of sign-in with a password, for requests from the documentation."""
    flow = {"tokenUrl": f"{load(CoreSettings).public_url}/api/v1/auth/token", "scopes": {}}
    description = "Sign in with email and password to try requests in the documentation."
    return {"password": {"type": "oauth2", "description": description, "flows": {"password": flow}}}
