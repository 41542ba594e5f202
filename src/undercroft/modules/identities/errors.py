"""Errors of external identities."""

from undercroft.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized, Unprocessable


class UnknownProvider(NotFound):
    code = "UNKNOWN_PROVIDER"
    message = "This sign-in provider is not enabled."


class SignInDenied(BadRequest):
    code = "SOCIAL_SIGN_IN_DENIED"
    message = "The sign-in was canceled, or the provider denied it."


class EmailUnverified(Conflict):
    """The provider reports no verified email address. Raised whether or not an account has the address."""

    code = "EMAIL_UNVERIFIED"
    message = "Your email address is not verified by the provider. Verify it there or sign in another way."


class IdentityConflict(Conflict):
    code = "IDENTITY_CONFLICT"
    message = "An account with this email address already exists. Sign in to it another way, then link this identity."


class EmailLinkedToOtherIdentity(IdentityConflict):
    """The account with this address is linked to another user of the same issuer, who has probably changed it there."""

    message = (
        "This email address still belongs to another account. Wait until that account's new address has been synced, "
        "or ask its owner to sign in once."
    )

    def __init__(self, subject: str) -> None:
        super().__init__()
        self.subject = subject


class IdentityTaken(Conflict):
    code = "IDENTITY_TAKEN"
    message = "This identity is linked to another account."


class LastSignInMethod(Conflict):
    code = "LAST_SIGN_IN_METHOD"
    message = "This is the only sign-in method of the account. Set a password or link another identity first."


class IdentityNotFound(NotFound):
    code = "IDENTITY_NOT_FOUND"
    message = "Identity not found."


class AccountInactive(Unauthorized):
    code = "ACCOUNT_INACTIVE"
    message = "This account is not active."


class InvalidExchangeCode(BadRequest):
    """The code is unknown, expired or used, or the verifier is wrong. The transaction commits: the code stays used."""

    commits = True
    code = "INVALID_CODE"
    message = "This code is invalid, expired or already used. Sign in again."


class InvalidWebhook(Unauthorized):
    code = "INVALID_SIGNATURE"
    message = "The webhook signature is invalid."


class ReturnUrlNotAllowed(BadRequest):
    code = "RETURN_URL_NOT_ALLOWED"
    message = "`return_to` must be a path of this site, such as /welcome, or one of SOCIAL_REDIRECT_URIS."


class ChallengeMissing(Unprocessable):
    code = "CHALLENGE_MISSING"
    message = "`code_challenge` is required when `session` is `bearer`. Send an S256 challenge (RFC 7636)."


class LinkingNeedsSession(Forbidden):
    code = "LINKING_NEEDS_SESSION"
    message = "The session that started the linking has ended. Sign in and try again."
