"""Identities that others keep: external issuers of tokens (AUTH_PROVIDER) and social sign-in."""

from undercroft.providers.identity.errors import (
    BadSignature,
    BadToken,
    ExpiredToken,
    IdentityProviderUnavailable,
    SocialSignInFailed,
)
from undercroft.providers.identity.external import make_external
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.protocol import Event, ExternalIssuer, News
from undercroft.providers.identity.settings import AuthProviderName, IdentitySettings, SocialSettings
from undercroft.providers.identity.social import Flow, SocialProvider, label_of, make_social
from undercroft.providers.outgoing import Outgoing, require_client

__all__ = [
    "AuthProviderName",
    "BadSignature",
    "BadToken",
    "Event",
    "ExpiredToken",
    "ExternalIssuer",
    "Flow",
    "IdentityProviderUnavailable",
    "IdentitySettings",
    "News",
    "Outgoing",
    "Profile",
    "SocialProvider",
    "SocialSettings",
    "SocialSignInFailed",
    "label_of",
    "make_external",
    "make_social",
    "require_client",
]
