"""What speaks to identity providers, put together once per application and found on its state."""

from typing import Annotated, cast

from fastapi import Depends, Request

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
    """Raises `ConfigurationError` when the settings are not whole, or the HTTP client that they need is missing."""

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
        if self.external is not None:  # who signs in with another issuer may be unknown to the one with the accounts
            self.social = {name: each for name, each in self.social.items() if each.issuer == self.external.issuer}

    def provider(self, name: str) -> SocialProvider:
        """Raises `UnknownProvider` for one that is not on."""
        try:
            return self.social[name]
        except KeyError:
            raise UnknownProvider from None

    async def check(self) -> None:
        """Raises when what the issuer publishes cannot be had, or could not when it was last needed."""
        assert self.external is not None
        await self.external.token_verifier.jwks.check()

    async def close(self) -> None:
        await self.http_client.close()


async def get_connections(request: Request) -> Connections:
    return cast(Connections, request.app.state.identity_connections)


ConnectionsDep = Annotated[Connections, Depends(get_connections)]
