"""Errors of sign-in and credentials."""

from undercroft.core.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    Unprocessable,
)


class InvalidCredentials(Unauthorized):
    """Commits the transaction, so that the failure counter and the audit entry are stored."""

    code = "INVALID_CREDENTIALS"
    message = "Incorrect email or password. If you just registered, open the link in your email first."
    commits = True
    field = "password"


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


class TooManyAttempts(TooManyRequests):
    code = "TOO_MANY_ATTEMPTS"
    message = "Too many failed attempts. Try again later."


class CaptchaRequired(Unprocessable):
    """`details` contain the provider and the site key with which a page renders the captcha."""

    code = "CAPTCHA_REQUIRED"
    message = "Solve the captcha and send its response as `captcha_token`."


class CaptchaFailed(Unprocessable):
    code = "CAPTCHA_FAILED"
    message = "The captcha was not solved or has expired. Try again."


class CaptchaServiceUnavailable(ServiceUnavailable):
    code = "CAPTCHA_UNAVAILABLE"
    message = "The captcha service is unavailable. Try again later."


CAPTCHA_ERRORS = (CaptchaRequired, CaptchaFailed, CaptchaServiceUnavailable)


class DisposableEmail(Unprocessable):
    code = "DISPOSABLE_EMAIL"
    message = "Disposable email addresses are not accepted. Use a permanent one."
