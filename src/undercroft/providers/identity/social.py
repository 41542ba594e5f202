"""Whom people may sign in with: OAuth 2.0 by code and PKCE (RFC 9700), OpenID Connect where there is such a thing."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import urlencode

from msgspec import Struct, field

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import load
from undercroft.providers.http_client import HttpClient
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.settings import SHARED_TENANTS, SocialSettings


class Flow(Struct, frozen=True):
    """One sign-in under way: what was sent along with the browser, and what must come back."""

    redirect_uri: str
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        """PKCE's S256 challenge (RFC 7636, 4.2)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def authorization_url(self, endpoint: str, **extra_parameters: str) -> str:
        """The provider's page with everything that it must know."""
        parameters = {
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            **extra_parameters,
        }
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"


class SocialProvider(Protocol):
    """One file beside this one per kind."""

    name: str
    label: str
    issuer: str

    async def authorization_url(self, flow: Flow) -> str:
        """Where to send the browser. Raises `IdentityProviderUnavailable`."""
        ...

    async def profile(self, flow: Flow, response: Mapping[str, str]) -> Profile:
        """Who came back with this answer; its `state` was checked already.

        Raises `SocialSignInFailed` for a code, token or issuer that does not fit, `IdentityProviderUnavailable`.
        """
        ...


def get_provider_label(name: str) -> str:
    """What people call a provider, whether it is on or not."""
    labels = {"google": "Google", "github": "GitHub", "microsoft": "Microsoft", "apple": "Apple"}
    labels |= {"supabase": "Supabase", "clerk": "Clerk"}
    return labels.get(name) or load(SocialSettings).oidc_name


def make_social(http_client: HttpClient) -> dict[str, SocialProvider]:
    """The providers that are on, by their names, in the order in which buttons are shown.

    Raises `ConfigurationError` for half a configuration.
    """
    settings = load(SocialSettings)
    return {name: make(http_client) for name, make in _FACTORIES.items() if getattr(settings, f"{name}_client_id")}


def _google(http_client: HttpClient) -> SocialProvider:
    from undercroft.providers.identity.openid import OpenId

    settings = load(SocialSettings)
    return OpenId(
        http_client,
        name="google",
        label=get_provider_label("google"),
        issuer=settings.google_issuer,
        client_id=settings.google_client_id,
        secret=settings.google_client_secret.get_secret_value,
    )


def _microsoft(http_client: HttpClient) -> SocialProvider:
    """Anybody can put any address into a directory of their own, so addresses of shared tenants are only proven where
    the claim `xms_edov` says that the domain is the directory's."""
    from undercroft.providers.identity.openid import OpenId

    settings = load(SocialSettings)
    shared = settings.microsoft_tenant in SHARED_TENANTS
    base = settings.microsoft_url
    return OpenId(
        http_client,
        name="microsoft",
        label=get_provider_label("microsoft"),
        issuer=f"{base}/{settings.microsoft_tenant}/v2.0",
        metadata_issuer=f"{base}/{{tenantid}}/v2.0" if shared else None,
        client_id=settings.microsoft_client_id,
        secret=settings.microsoft_client_secret.get_secret_value,
        is_email_verified=lambda claims: not shared or claims.xms_edov in (True, 1, "1", "true"),
    )


def _apple(http_client: HttpClient) -> SocialProvider:
    from undercroft.providers.identity.apple import AppleSecret
    from undercroft.providers.identity.openid import OpenId

    settings = load(SocialSettings)
    return OpenId(
        http_client,
        name="apple",
        label=get_provider_label("apple"),
        issuer=settings.apple_issuer,
        client_id=settings.apple_client_id,
        secret=AppleSecret(settings),
        scopes="openid name email",
        extra_parameters={"response_mode": "form_post"},
    )


def _github(http_client: HttpClient) -> SocialProvider:
    from undercroft.providers.identity.github import Github

    return Github(http_client)


def _oidc(http_client: HttpClient) -> SocialProvider:
    from undercroft.providers.identity.openid import OpenId
    from undercroft.providers.identity.settings import IdentitySettings

    settings, issuer = load(SocialSettings), load(IdentitySettings).oidc_issuer
    if not issuer:
        raise ConfigurationError("OIDC_CLIENT_ID needs OIDC_ISSUER.")
    return OpenId(
        http_client,
        name="oidc",
        label=get_provider_label("oidc"),
        issuer=issuer,
        client_id=settings.oidc_client_id,
        secret=settings.oidc_client_secret.get_secret_value,
        scopes=settings.oidc_scopes,
    )


_FACTORIES: dict[str, Callable[[HttpClient], SocialProvider]] = {
    "google": _google,
    "apple": _apple,
    "microsoft": _microsoft,
    "github": _github,
    "oidc": _oidc,
}
