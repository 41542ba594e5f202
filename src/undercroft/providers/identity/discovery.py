"""An issuer's metadata (OpenID Connect Discovery 1.0)."""

from typing import Any

from msgspec import Struct

from undercroft.providers.http_client import HttpClient, HttpClientError, require_https
from undercroft.providers.identity.cached_document import CachedDocument

MAX_AGE = 3600


class Metadata(Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    supports_iss_parameter: bool
    """Whether the issuer adds `iss` to the authorization response (RFC 9207)."""
    auth_methods: tuple[str, ...]
    """Client authentication methods of the token endpoint; `client_secret_basic` if the metadata lists none."""


class Discovery:
    """Fetches an issuer's metadata at its first use. `expected_issuer` is the issuer that the metadata must contain."""

    def __init__(self, issuer: str, http_client: HttpClient, *, expected_issuer: str | None = None) -> None:
        self.issuer = issuer
        self._expected_issuer = expected_issuer or issuer
        self._http_client = http_client
        self.document = CachedDocument("discovery", self._fetch, max_age=MAX_AGE)

    async def metadata(self) -> Metadata:
        """Return the metadata. Raises `IdentityProviderUnavailable`."""
        return await self.document.get()

    async def jwks_uri(self) -> str:
        return (await self.document.get()).jwks_uri

    async def _fetch(self) -> Metadata:
        content = await self._http_client.get_json(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if content.get("issuer") != self._expected_issuer:
            raise HttpClientError(f"{self.issuer} returned metadata of the issuer {str(content.get('issuer'))[:200]!r}")
        userinfo = _endpoint(content, "userinfo_endpoint") if content.get("userinfo_endpoint") else None
        return Metadata(
            issuer=self._expected_issuer,
            authorization_endpoint=_endpoint(content, "authorization_endpoint"),
            token_endpoint=_endpoint(content, "token_endpoint"),
            jwks_uri=_endpoint(content, "jwks_uri"),
            userinfo_endpoint=userinfo,
            supports_iss_parameter=content.get("authorization_response_iss_parameter_supported") is True,
            auth_methods=_auth_methods(content),
        )


def _auth_methods(content: dict[str, Any]) -> tuple[str, ...]:
    listed = content.get("token_endpoint_auth_methods_supported")
    named = tuple(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else ()
    return named or ("client_secret_basic",)


def _endpoint(content: dict[str, Any], name: str) -> str:
    url = content.get(name)
    if not isinstance(url, str):
        raise HttpClientError(f"the discovery document has no {name}")
    require_https(url)
    return url
