"""Errors of sessions, tokens and cookies."""

from undercroft.core.errors import Forbidden, NotFound, Unauthorized


class MfaRequired(Unauthorized):
    """The first factor was correct: send `details.mfa_token` with one of `details.methods` to finish signing in."""

    code = "MFA_REQUIRED"
    message = "A second factor is required to sign in."
    commits = True


class MfaUnavailable(Forbidden):
    """The user has second factors, and this installation has disabled the module that verifies them."""

    code = "MFA_UNAVAILABLE"
    message = "This account requires a second factor, which this service cannot verify at the moment. Contact support."


class BearerTokenError(Unauthorized):
    """Base of the errors of an invalid bearer token (RFC 6750, 3.1)."""

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class InvalidToken(BearerTokenError):
    code = "INVALID_TOKEN"
    message = "The access token is invalid."


class TokenExpired(BearerTokenError):
    code = "TOKEN_EXPIRED"
    message = "The access token has expired. Refresh it."


class SessionEnded(Unauthorized):
    code = "SESSION_ENDED"
    message = "This session has ended. Sign in again."


class ImpersonationEnded(Unauthorized):
    """The cookie of an ended impersonation, which `POST /auth/impersonation/end` removes."""

    code = "IMPERSONATION_ENDED"
    message = "This impersonation has ended."


class InvalidRefreshToken(Unauthorized):
    code = "INVALID_REFRESH_TOKEN"
    message = "The refresh token is invalid. Sign in again."


class TokenReused(Unauthorized):
    """A refresh token was reused after the reuse interval, so it was copied. Commits the revocation of its session."""

    code = "TOKEN_REUSED"
    message = "The refresh token was already used, so its session was revoked. Sign in again."
    commits = True


class CsrfFailed(Forbidden):
    code = "CSRF_FAILED"
    message = "The request failed the cross-site request forgery check."


class SessionNotFound(NotFound):
    code = "SESSION_NOT_FOUND"
    message = "Session not found."


class LocalAccountsOff(Forbidden):
    code = "LOCAL_ACCOUNTS_OFF"
    message = "Accounts are managed by an identity provider. Register, sign in and change your password there."
