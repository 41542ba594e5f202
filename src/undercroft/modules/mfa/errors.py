"""Errors of second factors."""

from undercroft.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized


class MfaTokenInvalid(Unauthorized):
    code = "MFA_TOKEN_INVALID"
    message = "This sign-in has expired or had too many failed attempts. Sign in again."


class InvalidCode(Unauthorized):
    """A wrong second factor during sign-in. The transaction commits and records the failure and its audit entry."""

    code = "INVALID_CODE"
    message = "Incorrect or already used code."
    commits = True


class InvalidPasskey(Unauthorized):
    """A wrong passkey during sign-in without a password. The challenge stays used."""

    code = "INVALID_PASSKEY"
    message = "This passkey is not registered, or its response is invalid."
    commits = True


class WrongCode(Forbidden):
    """A wrong second factor during step-up. The transaction commits and records the failure and its audit entry."""

    code = "WRONG_CODE"
    message = "Incorrect or already used code."
    commits = True


class PasskeyRefused(BadRequest):
    """A failed passkey registration. The challenge stays used."""

    code = "PASSKEY_REFUSED"
    message = "The passkey could not be verified. Request new options and try again."
    commits = True


class PasskeyNotFound(NotFound):
    code = "PASSKEY_NOT_FOUND"
    message = "Passkey not found."


class PasskeyAlreadyRegistered(Conflict):
    code = "PASSKEY_ALREADY_REGISTERED"
    message = "This passkey is already registered."
    commits = True


class TooManyPasskeys(Conflict):
    code = "TOO_MANY_PASSKEYS"
    message = "You have the maximum number of passkeys. Remove one first."


class TotpNotStarted(Conflict):
    code = "TOTP_NOT_STARTED"
    message = "No authenticator app setup is pending, or it has expired. Start again."


class TotpNotFound(NotFound):
    code = "TOTP_NOT_FOUND"
    message = "No authenticator app is set up."


class MfaNotEnabled(Conflict):
    code = "MFA_NOT_ENABLED"
    message = "Two-factor authentication is off. Turn it on first."


class MfaRequiredByPolicy(Conflict):
    """`details.teams` lists the teams that require two-factor authentication."""

    code = "MFA_REQUIRED_BY_POLICY"
    message = "You must have a second factor. Add another one before you remove the last one."


class WebAuthnError(Exception):
    """The authenticator's response is invalid: wrong origin, domain or signature, or malformed data."""
