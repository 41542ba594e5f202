"""Sign-in with GitHub, which uses OAuth 2.0 and provides the profile through its API."""

from collections.abc import Mapping
from typing import Any

import structlog

from undercroft.core.settings import load
from undercroft.providers.http_client import HttpClient, HttpClientError, HttpResponse
from undercroft.providers.identity.common import get_with_token
from undercroft.providers.identity.errors import IdentityProviderUnavailable, SocialSignInFailed
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.settings import SocialSettings
from undercroft.providers.identity.social import Flow

log = structlog.get_logger("undercroft.security")


class Github:
    """Identifies users by their numeric account ID, because user names can be reassigned."""

    name = "github"
    label = "GitHub"

    def __init__(self, http_client: HttpClient) -> None:
        self._settings = load(SocialSettings)
        self.issuer = self._settings.github_url
        self._http_client = http_client

    async def authorization_url(self, flow: Flow) -> str:
        return flow.authorization_url(
            f"{self._settings.github_url}/login/oauth/authorize",
            client_id=self._settings.github_client_id,
            scope="read:user user:email",
        )

    async def profile(self, flow: Flow, response: Mapping[str, str]) -> Profile:
        if response.get("iss") not in (None, self._settings.github_url, f"{self._settings.github_url}/login/oauth"):
            raise SocialSignInFailed
        token = await self._exchange(flow, response.get("code", ""))
        user, emails = await self._get("/user", token), await self._get("/user/emails", token)
        if not user.ok or not isinstance(user.content.get("id"), int):
            raise SocialSignInFailed
        listed = emails.content if isinstance(emails.content, list) else []
        primary: dict[str, Any] = next((each for each in listed if isinstance(each, dict) and each.get("primary")), {})
        return Profile.of(
            self._settings.github_url,
            str(user.content["id"]),
            email=primary.get("email"),
            verified=primary.get("verified") is True,
            name=user.content.get("name"),
        )

    async def _exchange(self, flow: Flow, code: str) -> str:
        form = {
            "client_id": self._settings.github_client_id,
            "client_secret": self._settings.github_client_secret.get_secret_value(),
            "code": code,
            "redirect_uri": flow.redirect_uri,
            "code_verifier": flow.verifier,
        }
        try:
            response = await self._http_client.post(f"{self._settings.github_url}/login/oauth/access_token", form)
        except HttpClientError as error:
            raise IdentityProviderUnavailable from error
        token = response.content.get("access_token") if response.ok else None
        if not isinstance(token, str):
            reason = response.content.get("error") if isinstance(response.content, dict) else None
            log.warning("social_sign_in.failed", provider=self.name, cause="no access token", error=str(reason)[:100])
            raise SocialSignInFailed
        return token

    async def _get(self, path: str, token: str) -> HttpResponse:
        url = f"{self._settings.github_api_url}{path}"
        return await get_with_token(self._http_client, url, token, **{"X-GitHub-Api-Version": "2022-11-28"})
