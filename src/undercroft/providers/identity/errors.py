"""Errors of identity providers."""

from undercroft.core.errors import BadRequest, ServiceUnavailable


class IdentityProviderUnavailable(ServiceUnavailable):
    """The identity provider cannot be reached, and the required data is not cached."""

    code = "IDENTITY_PROVIDER_UNAVAILABLE"
    message = "The identity provider is unavailable. Try again later."


class SocialSignInFailed(BadRequest):
    """The provider's callback is invalid, has expired or was already used."""

    code = "SOCIAL_SIGN_IN_FAILED"
    message = "The sign-in failed. Try again."


class BadToken(Exception):
    """The token is invalid."""


class BadSigner(BadToken):
    """The token was signed with another key."""


class ExpiredToken(BadToken):
    """The token is valid but has expired."""


class BadSignature(Exception):
    """The webhook has an invalid signature or is too old."""
