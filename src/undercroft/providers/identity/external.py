"""Factory of the provider that AUTH_PROVIDER selects."""

from undercroft.core.settings import load
from undercroft.providers.http_client import HttpClient
from undercroft.providers.identity.protocol import ExternalIssuer
from undercroft.providers.identity.settings import AuthProviderName, IdentitySettings


def make_external(http_client: HttpClient) -> ExternalIssuer:
    """Create the issuer that AUTH_PROVIDER selects. Raises `ConfigurationError`, and `ValueError` for `local`."""
    match load(IdentitySettings).auth_provider:
        case AuthProviderName.OIDC:
            from undercroft.providers.identity.oidc import Oidc

            return Oidc(http_client)
        case AuthProviderName.SUPABASE:
            from undercroft.providers.identity.supabase import Supabase

            return Supabase(http_client)
        case AuthProviderName.CLERK:
            from undercroft.providers.identity.clerk import Clerk

            return Clerk(http_client)
    raise ValueError("AUTH_PROVIDER=local has no external issuer.")
