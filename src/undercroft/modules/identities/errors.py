"""What can go wrong with identities that others keep."""

from undercroft.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized, Unprocessable


class UnknownProvider(NotFound):
    code = "UNKNOWN_PROVIDER"
    message = "Signing in with that is not on here."


class SignInDenied(BadRequest):
    code = "SOCIAL_SIGN_IN_DENIED"
    message = "You did not agree to sign in, or the provider did not let you."


class EmailUnverified(Conflict):
    """The same whether the address has an account or not."""

    code = "EMAIL_UNVERIFIED"
    message = "The provider does not say that your mail address is verified. Verify it there, or sign in another way."


class IdentityConflict(Conflict):
    code = "IDENTITY_CONFLICT"
    message = "There is an account with this mail address. Sign in to it another way, then link the two."


class EmailLinkedToOtherIdentity(IdentityConflict):
    """The account with this address belongs to another user of the same issuer, whose address is a new one by now."""

    message = (
        "This email address still belongs to another account here. Wait until its owner's new address is known, or ask "
        "the owner to sign in once."
    )

    def __init__(self, subject: str) -> None:
        super().__init__()
        self.subject = subject


class IdentityTaken(Conflict):
    code = "IDENTITY_TAKEN"
    message = "This identity belongs to another account."


class LastSignInMethod(Conflict):
    code = "LAST_WAY_IN"
    message = "This is the only way to sign in to this account. Set a password or link another identity first."


class IdentityNotFound(NotFound):
    code = "IDENTITY_NOT_FOUND"
    message = "There is no such identity."


class AccountInactive(Unauthorized):
    code = "ACCOUNT_INACTIVE"
    message = "This account is not active."


class InvalidExchangeCode(BadRequest):
    """A code that came with a wrong verifier is spent all the same."""

    commits = True
    code = "INVALID_CODE"
    message = "This code is not valid any more. Begin again."


class InvalidWebhook(Unauthorized):
    code = "INVALID_SIGNATURE"
    message = "The signature is not valid."


class ReturnUrlNotAllowed(BadRequest):
    code = "RETURN_NOT_ALLOWED"
    message = "`return_to` is a path of this installation, such as /welcome, or one of SOCIAL_REDIRECT_URIS."


class ChallengeMissing(Unprocessable):
    code = "CHALLENGE_MISSING"
    message = "An app sends a `code_challenge` (S256, RFC 7636), and exchanges its code with the verifier."


class LinkingNeedsSession(Forbidden):
    code = "LINKING_NEEDS_SESSION"
    message = "The session in which this was begun has ended. Sign in and begin again."
