"""An OpenID Connect issuer that signs real tokens, rotates its keys and fails on request.

Path prefixes select the dialect of a service: `/github`, `/google`, `/apple`, `/microsoft/common/v2.0`, `/supabase` and
`/clerk` return the formats of that service.
"""

from undercroft.devstack.emulators.oidc.issuer import CLIENT_ID, CLIENT_SECRET, Failure, OidcIssuer, ProviderUser

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Failure", "OidcIssuer", "ProviderUser"]
