"""What can go wrong with signing in."""

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
    """The failure that was counted, and its audit entry, are kept."""

    code = "INVALID_CREDENTIALS"
    message = "Incorrect email or password. If you just registered, open the link in your email first."
    commits = True
    field = "password"


class MfaRequired(Unauthorized):
    """The first step is done: `details.mfa_token` and one of `details.methods` do the second."""

    code = "MFA_REQUIRED"
    message = "A second factor is needed to sign in."
    commits = True


class InvalidToken(Unauthorized):
    code = "INVALID_TOKEN"
    message = "The access token is not valid."

    def __init__(self) -> None:
        super().__init__(headers=INVALID_TOKEN_HEADERS)


class TokenExpired(Unauthorized):
    code = "TOKEN_EXPIRED"
    message = "The access token has expired. Refresh it."

    def __init__(self) -> None:
        super().__init__(headers=INVALID_TOKEN_HEADERS)


class InvalidApiKey(Unauthorized):
    code = "INVALID_API_KEY"
    message = "The API key is not valid."

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
    message = "The refresh token is not valid. Sign in again."


class TokenReused(Unauthorized):
    """A refresh token was used again after the reuse interval: somebody has a copy. Its session stays revoked."""

    code = "TOKEN_REUSED"
    message = "This refresh token was used before, so its session was ended. Sign in again."
    commits = True


class WrongPassword(Forbidden):
    """The failure that was counted, and its audit entry, are kept."""

    code = "WRONG_PASSWORD"
    message = "The current password is wrong."
    commits = True


class LinkInvalid(BadRequest):
    code = "LINK_INVALID"
    message = "This link has expired or was already used. Request a new one."


class AlreadyVerified(BadRequest):
    code = "EMAIL_ALREADY_VERIFIED"
    message = "This address is already confirmed. Sign in, or reset the password."


class PasswordChoiceRequired(Unprocessable):
    code = "PASSWORD_CHOICE_REQUIRED"
    message = "This link was requested on another device. Choose a password."
    field = "password"


class NameInvalid(Unprocessable):
    code = "NAME_INVALID"
    message = "Write the name in one line, without control characters."
    field = "full_name"


class LinkOfAnotherDevice(Forbidden):
    """`details.email` is the address of the account that the link signs in to."""

    code = "LINK_OF_ANOTHER_DEVICE"
    message = (
        "This link was requested on another device. To sign in all the same, send the account's address as `email`."
    )


class ConfirmationNeedsSession(Forbidden):
    code = "CONFIRMATION_NEEDS_SESSION"
    message = "Sign in to the account that requested this change, then open the link again."


class MagicLinksOff(NotFound):
    code = "MAGIC_LINKS_OFF"
    message = "Signing in by a mailed link is not offered here."


class CsrfFailed(Forbidden):
    code = "CSRF_FAILED"
    message = "This request did not come from our own pages."


class TooManyAttempts(TooManyRequests):
    code = "TOO_MANY_ATTEMPTS"
    message = "Too many failed attempts. Wait before you try again."
