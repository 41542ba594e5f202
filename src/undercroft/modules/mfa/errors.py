"""What can go wrong with second factors."""

from undercroft.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized


class MfaTokenInvalid(Unauthorized):
    code = "MFA_TOKEN_INVALID"
    message = "This sign-in has expired or was tried too often. Begin it anew."


class InvalidCode(Unauthorized):
    """While signing in. The failure that was counted, and its audit entry, are kept."""

    code = "INVALID_CODE"
    message = "This code or passkey does not fit, or was used before."
    commits = True


class InvalidPasskey(Unauthorized):
    """While signing in with a passkey alone. The challenge is used up."""

    code = "INVALID_PASSKEY"
    message = "This passkey is not known here, or its answer does not fit."
    commits = True


class WrongCode(Forbidden):
    """While signed in. The failure that was counted, and its audit entry, are kept."""

    code = "WRONG_CODE"
    message = "This code or passkey does not fit, or was used before."
    commits = True


class PasskeyRefused(BadRequest):
    """While adding one. The challenge is used up."""

    code = "PASSKEY_REFUSED"
    message = "This passkey cannot be added: what the browser sent does not fit what was asked for. Begin anew."
    commits = True


class PasskeyNotFound(NotFound):
    code = "PASSKEY_NOT_FOUND"
    message = "There is no such passkey."


class PasskeyAlreadyRegistered(Conflict):
    code = "PASSKEY_KNOWN"
    message = "This passkey was added before."
    commits = True


class TooManyPasskeys(Conflict):
    code = "TOO_MANY_PASSKEYS"
    message = "There are too many passkeys already. Remove one first."


class TotpNotStarted(Conflict):
    code = "TOTP_NOT_STARTED"
    message = "No authenticator app is being set up, or it took too long. Begin anew."


class TotpNotFound(NotFound):
    code = "TOTP_NOT_FOUND"
    message = "There is no authenticator app."


class MfaNotEnabled(Conflict):
    code = "MFA_NOT_ENABLED"
    message = "Two-step sign-in is off."


class MfaRequiredByPolicy(Conflict):
    """`details.teams` names the teams that ask for it."""

    code = "MFA_NEEDED"
    message = "Two-step sign-in has to stay on. Add another way before you remove the last one."
