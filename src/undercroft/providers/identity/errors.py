"""What can go wrong with identities that others keep."""

from undercroft.core.errors import BadRequest, ServiceUnavailable


class IdentityProviderUnavailable(ServiceUnavailable):
    """The identity provider cannot be asked, and what it would say is not known here."""

    code = "IDENTITY_PROVIDER_UNAVAILABLE"
    message = "The identity provider cannot be reached at the moment."


class SocialSignInFailed(BadRequest):
    """What came back from the provider is not what was asked for, or was used before."""

    code = "SOCIAL_SIGN_IN_FAILED"
    message = "Signing in did not work. Begin again."


class BadToken(Exception):
    """A token that is not valid here, whatever it is about."""


class BadSigner(BadToken):
    """A token that another key signed."""


class ExpiredToken(BadToken):
    """A token that was valid."""


class BadSignature(Exception):
    """A webhook that is not from whom it says, or too old."""
