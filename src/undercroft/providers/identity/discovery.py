"""What an issuer says about itself (OpenID Connect Discovery 1.0)."""

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
    """Whether it says who it is when it sends a browser back (RFC 9207)."""
    auth_methods: tuple[str, ...]
    """How clients may authenticate at the token endpoint; `client_secret_basic` where it does not say."""


class Discovery:
    """An issuer's metadata, asked for at its first use. `expected_issuer` is the issuer that they must name."""

    def __init__(self, issuer: str, http_client: HttpClient, *, expected_issuer: str | None = None) -> None:
        self.issuer = issuer
        self._expected_issuer = expected_issuer or issuer
        self._http_client = http_client
        self.document = CachedDocument("discovery", self._fetch, max_age=MAX_AGE)

    async def metadata(self) -> Metadata:
        """Raises `IdentityProviderUnavailable`."""
        return await self.document.get()

    async def jwks_uri(self) -> str:
        return (await self.document.get()).jwks_uri

    async def _fetch(self) -> Metadata:
        said = await self._http_client.get_json(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != self._expected_issuer:
            raise HttpClientError(f"{self.issuer} calls itself {str(said.get('issuer'))[:200]!r}")
        userinfo = _endpoint(said, "userinfo_endpoint") if said.get("userinfo_endpoint") else None
        return Metadata(
            issuer=self._expected_issuer,
            authorization_endpoint=_endpoint(said, "authorization_endpoint"),
            token_endpoint=_endpoint(said, "token_endpoint"),
            jwks_uri=_endpoint(said, "jwks_uri"),
            userinfo_endpoint=userinfo,
            supports_iss_parameter=said.get("authorization_response_iss_parameter_supported") is True,
            auth_methods=_auth_methods(said),
        )


def _auth_methods(said: dict[str, Any]) -> tuple[str, ...]:
    listed = said.get("token_endpoint_auth_methods_supported")
    named = tuple(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else ()
    return named or ("client_secret_basic",)


def _endpoint(said: dict[str, Any], name: str) -> str:
    address = said.get(name)
    if not isinstance(address, str):
        raise HttpClientError(f"the discovery document has no {name}")
    require_https(address)
    return address
