"""Social sign-in: OAuth 2.0 authorization code flow with PKCE (RFC 9700), with OpenID Connect where supported."""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from msgspec import Struct, field

from undercroft.core.errors import ConfigurationError
from undercroft.core.security.tokens import encode_base64url
from undercroft.core.settings import load
from undercroft.providers.http_client import HttpClient
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.settings import SHARED_TENANTS, IdentitySettings, SocialSettings


class Flow(Struct, frozen=True):
    """Parameters of one authorization request, which the callback must match."""

    redirect_uri: str
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        """The PKCE S256 challenge (RFC 7636, section 4.2)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return encode_base64url(digest)

    def authorization_url(self, endpoint: str, **extra_parameters: str) -> str:
        """Return the URL of the provider's page with all parameters."""
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
    """A provider of social sign-in. Each kind has its own module in this package."""

    name: str
    label: str
    issuer: str

    async def authorization_url(self, flow: Flow) -> str:
        """Return the URL to which to redirect the browser. Raises `IdentityProviderUnavailable`."""
        ...

    async def profile(self, flow: Flow, response: Mapping[str, str]) -> Profile:
        """Return the profile of a callback's user. The caller has checked `state`.

        Raises `SocialSignInFailed` for an invalid code, token or issuer, and `IdentityProviderUnavailable`.
        """
        ...


def get_provider_label(name: str) -> str:
    """Return the display name of a provider, whether it is enabled or not."""
    labels = {"google": "Google", "github": "GitHub", "microsoft": "Microsoft", "apple": "Apple"}
    labels |= {"supabase": "Supabase", "clerk": "Clerk"}
    return labels.get(name) or load(SocialSettings).oidc_name


def make_social(http_client: HttpClient) -> dict[str, SocialProvider]:
    """Return the enabled providers by name, in the order of the buttons on sign-in pages.

    Raises `ConfigurationError` for an incomplete configuration.
    """
    settings = load(SocialSettings)
    return {name: make(http_client) for name, make in _FACTORIES.items() if getattr(settings, f"{name}_client_id")}


def _openid(http_client: HttpClient, name: str, issuer: str, **options: Any) -> SocialProvider:
    """Create a provider with the client of the settings. The option `secret` replaces `<name>_client_secret`."""
    from undercroft.providers.identity.openid import OpenId

    settings = load(SocialSettings)
    if "secret" not in options:
        options["secret"] = getattr(settings, f"{name}_client_secret").get_secret_value
    client_id = getattr(settings, f"{name}_client_id")
    return OpenId(http_client, name=name, label=get_provider_label(name), issuer=issuer, client_id=client_id, **options)


def _google(http_client: HttpClient) -> SocialProvider:
    return _openid(http_client, "google", load(SocialSettings).google_issuer)


def _microsoft(http_client: HttpClient) -> SocialProvider:
    """Create the Microsoft provider.

    Any administrator can enter any email address in a directory. Addresses of shared tenants are therefore verified
    only if the claim `xms_edov` confirms that the directory owns the domain.
    """
    settings = load(SocialSettings)
    shared = settings.microsoft_tenant in SHARED_TENANTS
    return _openid(
        http_client,
        "microsoft",
        f"{settings.microsoft_url}/{settings.microsoft_tenant}/v2.0",
        metadata_issuer=f"{settings.microsoft_url}/{{tenantid}}/v2.0" if shared else None,
        is_email_verified=lambda claims: not shared or claims.xms_edov in (True, 1, "1", "true"),
    )


def _apple(http_client: HttpClient) -> SocialProvider:
    settings = load(SocialSettings)
    return _openid(
        http_client,
        "apple",
        settings.apple_issuer,
        secret=AppleSecret(settings),
        scopes="openid name email",
        extra_parameters={"response_mode": "form_post"},
    )


def _github(http_client: HttpClient) -> SocialProvider:
    from undercroft.providers.identity.github import Github

    return Github(http_client)


def _oidc(http_client: HttpClient) -> SocialProvider:
    issuer = load(IdentitySettings).oidc_issuer
    if not issuer:
        raise ConfigurationError("OIDC_CLIENT_ID needs OIDC_ISSUER.")
    return _openid(http_client, "oidc", issuer, scopes=load(SocialSettings).oidc_scopes)


_FACTORIES: dict[str, Callable[[HttpClient], SocialProvider]] = {
    "google": _google,
    "apple": _apple,
    "microsoft": _microsoft,
    "github": _github,
    "oidc": _oidc,
}


SECRET_LIFETIME = 300


class AppleSecret:
    """Generates client secrets. Raises `ConfigurationError` when the key cannot be read."""

    def __init__(self, settings: SocialSettings) -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        self._settings = settings
        pem = settings.apple_private_key.get_secret_value().replace("\\n", "\n")
        try:
            key = load_pem_private_key(pem.encode(), None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ConfigurationError(
                "APPLE_PRIVATE_KEY is not a valid key. Paste the content of Apple's .p8 file (PEM)."
            )
        self._key = key

    def __call__(self) -> str:
        """Return a secret that is valid for five minutes."""
        import jwt

        settings, now = self._settings, int(time.time())
        claims = {
            "iss": settings.apple_team_id,
            "sub": settings.apple_client_id,
            "aud": settings.apple_issuer,
            "iat": now,
            "exp": now + SECRET_LIFETIME,
        }
        return jwt.encode(claims, self._key, "ES256", {"kid": settings.apple_key_id})
