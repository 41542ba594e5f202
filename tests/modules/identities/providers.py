"""Clerk and Supabase behind one interface, so that the same tests cover both."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2 as httpx

from tests.modules.identities import fixtures
from tests.modules.identities.provider_messages import (
    clerk_event,
    clerk_token,
    sign_webhook,
    supabase_event,
    supabase_token,
)
from undercroft.core.settings import SettingsBase
from undercroft.devstack.emulators.oidc import OidcIssuer, ProviderUser
from undercroft.devstack.emulators.oidc.issuer import WEBHOOK_SECRET

Body = dict[str, Any]


class ExternalProvider:
    """An emulated Clerk or Supabase."""

    def __init__(self, name: str, issuer: OidcIssuer) -> None:
        self.name, self.issuer = name, issuer

    @property
    def path(self) -> str:
        return f"/api/v1/public/identity/webhooks/{self.name}"

    @property
    def settings(self) -> SettingsBase:
        return fixtures.clerk(self.issuer) if self.name == "clerk" else fixtures.supabase(self.issuer)

    def token(self, provider_user: ProviderUser, **more: Any) -> str:
        make: Callable[..., str] = clerk_token if self.name == "clerk" else supabase_token
        return make(self.issuer, provider_user, **more)

    def fresh_token(self, provider_user: ProviderUser) -> str:
        """A token with a recent authentication, as sensitive endpoints require it."""
        now = self.issuer.now()
        claims = {"fva": [0, -1]} if self.name == "clerk" else {"amr": [{"method": "password", "timestamp": now}]}
        return self.token(provider_user, **claims)

    def body(self, what: str, provider_user: ProviderUser, *, at: float | None = None) -> Body:
        if self.name == "clerk":
            return clerk_event(self.issuer, f"user.{what}", provider_user, updated_at=at)
        kinds = {"created": "INSERT", "updated": "UPDATE", "deleted": "DELETE"}
        return supabase_event(self.issuer, kinds[what], provider_user, updated_at=at)

    def sign_webhook(self, body: Body, **more: Any) -> tuple[bytes, dict[str, str]]:
        return sign_webhook(body, WEBHOOK_SECRET, prefix="svix" if self.name == "clerk" else "webhook", **more)


async def send_event(
    http: httpx.AsyncClient,
    service: ExternalProvider,
    what: str,
    provider_user: ProviderUser,
    *,
    at: float | None = None,
    **more: Any,
) -> httpx.Response:
    return await send_webhook(http, service, service.body(what, provider_user, at=at), **more)


async def send_webhook(
    http: httpx.AsyncClient, service: ExternalProvider, payload: Body, **more: Any
) -> httpx.Response:
    body, headers = service.sign_webhook(payload, **more)
    return await http.post(service.path, content=body, headers=headers)


def update_user(issuer: OidcIssuer, provider_user: ProviderUser, **changes: Any) -> ProviderUser:
    """Change a user at the provider."""
    issuer.users[provider_user.subject] = changed = replace(provider_user, **changes)
    return changed
