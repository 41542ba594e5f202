"""Sign-in with an OpenID Connect provider (OpenID Connect Core 1.0, section 3.1)."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

import structlog

from undercroft.core.security.tokens import constant_time_compare
from undercroft.providers.http_client import HttpClient, HttpClientError
from undercroft.providers.identity.common import fetch_userinfo
from undercroft.providers.identity.discovery import Discovery, Metadata
from undercroft.providers.identity.errors import BadToken, IdentityProviderUnavailable, SocialSignInFailed
from undercroft.providers.identity.jwks import Jwks
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.social import Flow
from undercroft.providers.identity.tokens import Claims, TokenRules, TokenVerifier

log = structlog.get_logger("undercroft.security")


class OpenId:
    """A provider that supports OpenID Connect.

    `metadata_issuer` is the issuer in the metadata if that is a pattern with `{tenantid}`. `is_email_verified` returns
    whether an address is verified, by default from the claim `email_verified`. `secret` is called at each use; the
    issuer's metadata determines how the secret is sent.
    """

    def __init__(
        self,
        http_client: HttpClient,
        *,
        name: str,
        label: str,
        issuer: str,
        client_id: str,
        secret: Callable[[], str],
        scopes: str = "openid email profile",
        metadata_issuer: str | None = None,
        is_email_verified: Callable[[Claims], bool] = lambda claims: claims.has_verified_email,
        extra_parameters: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.label, self.issuer = name, label, issuer
        self._client_id, self._secret = client_id, secret
        self._scopes, self._extra_parameters = scopes, dict(extra_parameters or {})
        self._is_email_verified = is_email_verified
        self._expected_issuer = metadata_issuer or issuer
        self._http_client = http_client
        self._discovery = Discovery(issuer, http_client, expected_issuer=metadata_issuer)
        rules = TokenRules(self._issuer_of, frozenset({client_id}), frozenset({client_id}))
        self._token_verifier = TokenVerifier(rules, Jwks(self._discovery.jwks_uri, http_client), cache_size=0)

    async def authorization_url(self, flow: Flow) -> str:
        metadata = await self._discovery.metadata()
        return flow.authorization_url(
            metadata.authorization_endpoint,
            client_id=self._client_id,
            scope=self._scopes,
            nonce=flow.nonce,
            **self._extra_parameters,
        )

    async def profile(self, flow: Flow, response: Mapping[str, str]) -> Profile:
        metadata = await self._discovery.metadata()
        self._require_issuer(metadata, response)
        granted = await self._exchange(metadata, flow, response.get("code", ""))
        claims = await self._verify_id_token(granted, flow)
        user_info: dict[str, Any] = {"email": claims.email, "name": claims.name}
        verified = self._is_email_verified(claims)
        if claims.email is None and metadata.userinfo_endpoint:
            token = str(granted.get("access_token"))
            found = await fetch_userinfo(self._http_client, metadata.userinfo_endpoint, token, claims.sub)
            user_info = found or {"name": claims.name}
            verified = user_info.get("email_verified") in (True, "true")
        name = user_info.get("name") or _name_from_form(response)
        return Profile.of(
            claims.iss, claims.sub, email=user_info.get("email"), verified=verified, name=name, at=claims.iat
        )

    def _issuer_of(self, claims: Claims) -> str:
        """Return the issuer that these claims must contain; a shared issuer contains the directory's ID."""
        if "{tenantid}" not in self._expected_issuer:
            return self._expected_issuer
        try:
            return self._expected_issuer.replace("{tenantid}", str(UUID(claims.tid or "")))
        except ValueError:
            return ""

    def _require_issuer(self, metadata: Metadata, response: Mapping[str, str]) -> None:
        """Reject authorization responses of another issuer (RFC 9207)."""
        issuer = response.get("iss")
        if "{tenantid}" in metadata.issuer:  # the ID token contains the directory's issuer
            return
        if (issuer is None and metadata.supports_iss_parameter) or (issuer is not None and issuer != metadata.issuer):
            raise self._log_failure("the response is from another issuer")

    async def _exchange(self, metadata: Metadata, flow: Flow, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": flow.redirect_uri,
            "code_verifier": flow.verifier,
        }
        headers, credentials = self._authentication(metadata)
        try:
            response = await self._http_client.post(metadata.token_endpoint, form | credentials, headers=headers)
        except HttpClientError as error:
            raise IdentityProviderUnavailable from error
        if not response.ok:
            raise self._log_failure(f"the token endpoint returned {response.status}", response.content)
        granted: dict[str, Any] = response.content
        return granted

    def _authentication(self, metadata: Metadata) -> tuple[dict[str, str], dict[str, str]]:
        """Return headers and form fields that authenticate this client (OpenID Connect Core 1.0, section 9).

        The method is one that the issuer supports. Without a secret this is a public client, which PKCE protects.
        """
        secret, methods = self._secret(), metadata.auth_methods
        if secret and "client_secret_basic" in methods:
            pair = f"{quote_plus(self._client_id)}:{quote_plus(secret)}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}, {}
        if secret and "client_secret_post" in methods:
            return {}, {"client_id": self._client_id, "client_secret": secret}
        if "none" in methods:
            return {}, {"client_id": self._client_id}
        raise self._log_failure(
            f"no supported client authentication method: the issuer supports {', '.join(methods)[:200]}"
        )

    async def _verify_id_token(self, granted: Mapping[str, Any], flow: Flow) -> Claims:
        token = granted.get("id_token")
        if not isinstance(token, str):
            raise self._log_failure("there is no ID token")
        try:
            claims = await self._token_verifier.verify(token)
        except BadToken as error:
            raise self._log_failure(f"the ID token is not valid ({type(error).__name__})") from None
        if len(claims.audiences) > 1 and claims.azp != self._client_id:
            raise self._log_failure("the ID token was issued to another client")
        if claims.nonce is None or not constant_time_compare(claims.nonce, flow.nonce):
            raise self._log_failure("the ID token belongs to another sign-in")
        return claims

    def _log_failure(self, cause: str, content: object = None) -> SocialSignInFailed:
        error = content.get("error") if isinstance(content, dict) else None
        log.warning("social_sign_in.failed", provider=self.name, cause=cause, error=str(error)[:100] if error else None)
        return SocialSignInFailed()


def _name_from_form(response: Mapping[str, str]) -> str | None:
    """Return the name from the form parameter `user`, which Apple sends only at a user's first sign-in."""
    try:
        name = json.loads(response.get("user", "null"))["name"]
        return f"{name.get('firstName', '')} {name.get('lastName', '')}".strip()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
