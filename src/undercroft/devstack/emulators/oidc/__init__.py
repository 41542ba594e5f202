"""An OpenID Connect issuer that signs real tokens, rotates its keys, and misbehaves on request.

It also dresses as GitHub (`/github`), Google (`/google`), Apple (`/apple`), Microsoft (`/microsoft/common/v2.0`),
Supabase (`/supabase`) and Clerk (`/clerk`), each in that service's own shapes.
"""

from undercroft.devstack.emulators.oidc.issuer import CLIENT_ID, CLIENT_SECRET, Failure, OidcIssuer, ProviderUser

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Failure", "OidcIssuer", "ProviderUser"]
