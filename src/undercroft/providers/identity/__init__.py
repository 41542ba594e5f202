"""Identity providers: external token issuers (AUTH_PROVIDER) and social sign-in."""

from undercroft.providers.http_client import HttpClient, require_client
from undercroft.providers.identity.errors import (
    BadSignature,
    BadToken,
    ExpiredToken,
    IdentityProviderUnavailable,
    SocialSignInFailed,
)
from undercroft.providers.identity.external import ExternalIssuer, ProviderEvent, ProviderEventKind, make_external
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.settings import IdentitySettings, SocialSettings
from undercroft.providers.identity.social import Flow, SocialProvider, get_provider_label, make_social

__all__ = [
    "BadSignature",
    "BadToken",
    "ExpiredToken",
    "ExternalIssuer",
    "Flow",
    "HttpClient",
    "IdentityProviderUnavailable",
    "IdentitySettings",
    "Profile",
    "ProviderEvent",
    "ProviderEventKind",
    "SocialProvider",
    "SocialSettings",
    "SocialSignInFailed",
    "get_provider_label",
    "make_external",
    "make_social",
    "require_client",
]
