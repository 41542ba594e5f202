"""Signing in with an OpenID Connect provider (OpenID Connect Core 1.0, 3.1)."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

import structlog

from undercroft.core.security.tokens import constant_time_compare
from undercroft.providers.http_client import HttpClient, HttpClientError
from undercroft.providers.identity.discovery import Discovery, Metadata
from undercroft.providers.identity.errors import BadToken, IdentityProviderUnavailable, SocialSignInFailed
from undercroft.providers.identity.jwks import Jwks
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.social import Flow
from undercroft.providers.identity.tokens import Claims, TokenRules, TokenVerifier

log = structlog.get_logger("undercroft.security")


class OpenId:
    """`metadata_issuer` is the issuer in the metadata, where that is a pattern with `{tenantid}`.

    `is_email_verified` says whether an address is proven; by default what the claim `email_verified` says. `secret` is
    asked at each use; how it is sent is for the issuer's metadata to say.
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
        self._scopes, self._extra_parameters, self._is_email_verified = (
            scopes,
            dict(extra_parameters or {}),
            is_email_verified,
        )
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
        said: dict[str, Any] = {"email": claims.email, "name": claims.name}
        verified = self._is_email_verified(claims)
        if claims.email is None and metadata.userinfo_endpoint:
            said = await self._userinfo(metadata.userinfo_endpoint, granted, claims)
            verified = said.get("email_verified") in (True, "true")
        name = said.get("name") or _name_from_form(response)
        return Profile.of(claims.iss, claims.sub, email=said.get("email"), verified=verified, name=name, at=claims.iat)

    def _issuer_of(self, claims: Claims) -> str:
        """The issuer that these claims must name; a shared one has the directory's id in it."""
        if "{tenantid}" not in self._expected_issuer:
            return self._expected_issuer
        try:
            return self._expected_issuer.replace("{tenantid}", str(UUID(claims.tid or "")))
        except ValueError:
            return ""

    def _require_issuer(self, metadata: Metadata, response: Mapping[str, str]) -> None:
        """Another provider's answer is not taken for this one's (RFC 9207)."""
        given = response.get("iss")
        if "{tenantid}" in metadata.issuer:  # the ID token tells which of them it is
            return
        if (given is None and metadata.supports_iss_parameter) or (given is not None and given != metadata.issuer):
            raise self._log_failure("the answer is another issuer's")

    async def _exchange(self, metadata: Metadata, flow: Flow, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": flow.redirect_uri,
            "code_verifier": flow.verifier,
        }
        headers, credentials = self._authentication(metadata)
        try:
            reply = await self._http_client.post(metadata.token_endpoint, form | credentials, headers=headers)
        except HttpClientError as error:
            raise IdentityProviderUnavailable from error
        if not reply.ok:
            raise self._log_failure(f"the token endpoint answered {reply.status}", reply.content)
        granted: dict[str, Any] = reply.content
        return granted

    def _authentication(self, metadata: Metadata) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form fields that authenticate this client (OpenID Connect Core 1.0, 9), as the issuer wants it.

        Without a secret this is a public client, which PKCE protects.
        """
        secret, methods = self._secret(), metadata.auth_methods
        if secret and "client_secret_basic" in methods:
            pair = f"{quote_plus(self._client_id)}:{quote_plus(secret)}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}, {}
        if secret and "client_secret_post" in methods:
            return {}, {"client_id": self._client_id, "client_secret": secret}
        if "none" in methods:
            return {}, {"client_id": self._client_id}
        raise self._log_failure(f"no way to authenticate: the issuer takes {', '.join(methods)[:200]}")

    async def _verify_id_token(self, granted: Mapping[str, Any], flow: Flow) -> Claims:
        token = granted.get("id_token")
        if not isinstance(token, str):
            raise self._log_failure("there is no ID token")
        try:
            claims = await self._token_verifier.verify(token)
        except BadToken as error:
            raise self._log_failure(f"the ID token is not valid ({type(error).__name__})") from None
        if len(claims.audiences) > 1 and claims.azp != self._client_id:
            raise self._log_failure("the ID token is another client's")
        if claims.nonce is None or not constant_time_compare(claims.nonce, flow.nonce):
            raise self._log_failure("the ID token is another sign-in's")
        return claims

    async def _userinfo(self, endpoint: str, granted: Mapping[str, Any], claims: Claims) -> dict[str, Any]:
        try:
            reply = await self._http_client.get(
                endpoint, headers={"Authorization": f"Bearer {granted.get('access_token')}"}
            )
        except HttpClientError as error:
            raise IdentityProviderUnavailable from error
        if not reply.ok or reply.content.get("sub") != claims.sub:
            return {"name": claims.name}
        said: dict[str, Any] = reply.content
        return said

    def _log_failure(self, cause: str, content: object = None) -> SocialSignInFailed:
        error = content.get("error") if isinstance(content, dict) else None
        log.warning("social_sign_in.failed", provider=self.name, cause=cause, error=str(error)[:100] if error else None)
        return SocialSignInFailed()


def _name_from_form(response: Mapping[str, str]) -> str | None:
    """Apple tells the name in the form, and only when somebody comes for the first time."""
    try:
        name = json.loads(response.get("user", "null"))["name"]
        return f"{name.get('firstName', '')} {name.get('lastName', '')}".strip()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
