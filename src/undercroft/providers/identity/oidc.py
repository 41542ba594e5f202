"""AUTH_PROVIDER=oidc."""

from collections.abc import Mapping

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import load
from undercroft.providers.http_client import HttpClient
from undercroft.providers.identity.common import create_token_verifier, fetch_userinfo
from undercroft.providers.identity.discovery import Discovery
from undercroft.providers.identity.errors import BadSignature
from undercroft.providers.identity.external import ProviderEvent
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.settings import IdentitySettings, SocialSettings
from undercroft.providers.identity.tokens import Claims


class Oidc:
    """Any OpenID Connect issuer. The userinfo endpoint provides claims that tokens omit."""

    def __init__(self, http_client: HttpClient) -> None:
        settings = load(IdentitySettings)
        audiences = frozenset(settings.oidc_audience or filter(None, [load(SocialSettings).oidc_client_id]))
        if not audiences:
            raise ConfigurationError(
                "AUTH_PROVIDER=oidc needs OIDC_AUDIENCE; without it, tokens for other applications would be accepted."
            )
        self.issuer = settings.issuer
        self._discovery = Discovery(self.issuer, http_client)
        self.token_verifier = create_token_verifier(
            self.issuer, http_client, jwks_uri=self._discovery.jwks_uri, audiences=audiences
        )
        self._http_client = http_client

    async def profile(self, claims: Claims, token: str) -> Profile:
        user_info = {"email": claims.email, "email_verified": claims.email_verified, "name": claims.name}
        endpoint = (await self._discovery.metadata()).userinfo_endpoint if claims.email is None else None
        if endpoint:
            user_info = await fetch_userinfo(self._http_client, endpoint, token, claims.sub) or user_info
        verified = load(IdentitySettings).auth_trust_email or user_info.get("email_verified") in (True, "true")
        return Profile.of(
            self.issuer,
            claims.sub,
            email=user_info.get("email"),
            verified=verified,
            name=user_info.get("name"),
            at=claims.iat,
        )

    async def lookup(self, subject: str) -> Profile | None:  # noqa: ARG002
        """Return None: the userinfo endpoint requires a token of the user."""
        return None

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:  # noqa: ARG002
        """Raise `BadSignature`: OpenID Connect has no common webhook format."""
        raise BadSignature


create = Oidc
