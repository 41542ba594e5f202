"""Errors of sign-in and credentials."""

from undercroft.core.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unprocessable,
)

INVALID_TOKEN_HEADERS = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class InvalidCredentials(Unauthorized):
    """Commits the transaction, so that the failure counter and the audit entry are stored."""

    code = "INVALID_CREDENTIALS"
    message = "Incorrect email or password. If you just registered, open the link in your email first."
    commits = True
    field = "password"


class MfaRequired(Unauthorized):
    """The first factor was correct: send `details.mfa_token` with one of `details.methods` to finish signing in."""

    code = "MFA_REQUIRED"
    message = "A second factor is required to sign in."
    commits = True


class InvalidToken(Unauthorized):
    code = "INVALID_TOKEN"
    message = "The access token is invalid."

    def __init__(self) -> None:
        super().__init__(headers=INVALID_TOKEN_HEADERS)


class TokenExpired(Unauthorized):
    code = "TOKEN_EXPIRED"
    message = "The access token has expired. Refresh it."

    def __init__(self) -> None:
        super().__init__(headers=INVALID_TOKEN_HEADERS)


class InvalidApiKey(Unauthorized):
    code = "INVALID_API_KEY"
    message = "The API key is invalid."

    def __init__(self) -> None:
        super().__init__(headers=INVALID_TOKEN_HEADERS)


class ApiKeyExpired(Unauthorized):
    code = "API_KEY_EXPIRED"
    message = "The API key has expired."

    def __init__(self) -> None:
        super().__init__(headers=INVALID_TOKEN_HEADERS)


class SessionEnded(Unauthorized):
    code = "SESSION_ENDED"
    message = "This session has ended. Sign in again."


class InvalidRefreshToken(Unauthorized):
    code = "INVALID_REFRESH_TOKEN"
    message = "The refresh token is invalid. Sign in again."


class TokenReused(Unauthorized):
    """A refresh token was reused after the reuse interval, so it was copied. Commits the revocation of its session."""

    code = "TOKEN_REUSED"
    message = "The refresh token was already used, so its session was revoked. Sign in again."
    commits = True


class WrongPassword(Forbidden):
    """Commits the transaction, so that the failure counter and the audit entry are stored."""

    code = "WRONG_PASSWORD"
    message = "The current password is incorrect."
    commits = True


class LinkInvalid(BadRequest):
    code = "LINK_INVALID"
    message = "This link has expired or was already used. Request a new one."


class AlreadyVerified(BadRequest):
    code = "EMAIL_ALREADY_VERIFIED"
    message = "This email address is already confirmed. Sign in or reset your password."


class PasswordChoiceRequired(Unprocessable):
    code = "PASSWORD_CHOICE_REQUIRED"
    message = "This link was requested on another device. Choose a password."
    field = "password"


class NameInvalid(Unprocessable):
    code = "NAME_INVALID"
    message = "The name must be a single line without control characters."
    field = "full_name"


class LinkOfAnotherDevice(Forbidden):
    """`details.email` is the email address of the account that the link signs in to."""

    code = "LINK_OF_ANOTHER_DEVICE"
    message = (
        "This link was requested on another device. To confirm the sign-in, send the account's address as `email`."
    )


class ConfirmationNeedsSession(Forbidden):
    code = "CONFIRMATION_NEEDS_SESSION"
    message = "Sign in to the account that requested this change, then open the link again."


class MagicLinksOff(NotFound):
    code = "MAGIC_LINKS_OFF"
    message = "Sign-in with an emailed link is disabled."


class CsrfFailed(Forbidden):
    code = "CSRF_FAILED"
    message = "The request failed the cross-site request forgery check."


class TooManyAttempts(TooManyRequests):
    code = "TOO_MANY_ATTEMPTS"
    message = "Too many failed attempts. Try again later."
