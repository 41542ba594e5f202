"""Clients of the configured identity providers, created once per application and stored in its state."""

from undercroft.core.settings import load
from undercroft.modules.identities.errors import UnknownProvider
from undercroft.providers.identity import (
    ExternalIssuer,
    HttpClient,
    IdentitySettings,
    SocialProvider,
    SocialSettings,
    make_external,
    make_social,
    require_client,
)


class Connections:
    """The configured providers. Raises `ConfigurationError` for incomplete settings or a missing HTTP client."""

    def __init__(self) -> None:
        self.http_client = HttpClient()
        self.external: ExternalIssuer | None = None
        self.social: dict[str, SocialProvider] = {}
        if load(IdentitySettings).is_external:
            require_client("AUTH_PROVIDER")
            self.external = make_external(self.http_client)
        if load(SocialSettings).is_on:
            require_client("Social sign-in")
            self.social = make_social(self.http_client)
        if self.external is not None:  # the issuer that manages the accounts may not know users of other issuers
            self.social = {name: each for name, each in self.social.items() if each.issuer == self.external.issuer}

    def provider(self, name: str) -> SocialProvider:
        """Return a social sign-in provider. Raises `UnknownProvider` if it is not enabled."""
        try:
            return self.social[name]
        except KeyError:
            raise UnknownProvider from None

    async def check(self) -> None:
        """Raise `IdentityProviderUnavailable` if the issuer's keys cannot be fetched, or if the last fetch failed."""
        assert self.external is not None
        await self.external.token_verifier.jwks.check()

    async def close(self) -> None:
        await self.http_client.close()
