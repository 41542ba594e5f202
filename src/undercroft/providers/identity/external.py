"""The provider that AUTH_PROVIDER names."""

from undercroft.core.settings import load
from undercroft.providers.identity.protocol import ExternalIssuer
from undercroft.providers.identity.settings import AuthProviderName, IdentitySettings
from undercroft.providers.outgoing import Outgoing


def make_external(outgoing: Outgoing) -> ExternalIssuer:
    """The issuer that AUTH_PROVIDER names. Raises `ConfigurationError`, and `ValueError` for `local`."""
    match load(IdentitySettings).auth_provider:
        case AuthProviderName.OIDC:
            from undercroft.providers.identity.oidc import Oidc

            return Oidc(outgoing)
        case AuthProviderName.SUPABASE:
            from undercroft.providers.identity.supabase import Supabase

            return Supabase(outgoing)
        case AuthProviderName.CLERK:
            from undercroft.providers.identity.clerk import Clerk

            return Clerk(outgoing)
    raise ValueError("The accounts are kept here.")
