"""Clerk and Supabase as the product meets them, so that what both promise is written once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx

from tests.modules.identities import worlds
from undercroft.core.settings import SettingsBase
from undercroft.devstack.standins.oidc import OidcIssuer, Somebody
from undercroft.devstack.standins.oidc.dresses import (
    clerk_event,
    clerk_token,
    signed,
    supabase_event,
    supabase_token,
)
from undercroft.devstack.standins.oidc.issuer import WEBHOOK_SECRET

Body = dict[str, Any]


class Service:
    """One of the two."""

    def __init__(self, name: str, issuer: OidcIssuer) -> None:
        self.name, self.issuer = name, issuer

    @property
    def path(self) -> str:
        return f"/api/v1/public/identity/webhooks/{self.name}"

    @property
    def settings(self) -> SettingsBase:
        return worlds.clerk(self.issuer) if self.name == "clerk" else worlds.supabase(self.issuer)

    def token(self, person: Somebody, **more: Any) -> str:
        make: Callable[..., str] = clerk_token if self.name == "clerk" else supabase_token
        return make(self.issuer, person, **more)

    def fresh_token(self, person: Somebody) -> str:
        """A token that opens what is sensitive: its user was verified just now."""
        now = self.issuer.now()
        proof = {"fva": [0, -1]} if self.name == "clerk" else {"amr": [{"method": "password", "timestamp": now}]}
        return self.token(person, **proof)

    def body(self, what: str, person: Somebody, *, at: float | None = None) -> Body:
        if self.name == "clerk":
            return clerk_event(self.issuer, f"user.{what}", person, updated_at=at)
        kinds = {"created": "INSERT", "updated": "UPDATE", "deleted": "DELETE"}
        return supabase_event(self.issuer, kinds[what], person, updated_at=at)

    def signed(self, body: Body, **more: Any) -> tuple[bytes, dict[str, str]]:
        return signed(body, WEBHOOK_SECRET, prefix="svix" if self.name == "clerk" else "webhook", **more)


async def tell(
    http: httpx.AsyncClient, service: Service, what: str, person: Somebody, *, at: float | None = None, **more: Any
) -> httpx.Response:
    return await send(http, service, service.body(what, person, at=at), **more)


async def send(http: httpx.AsyncClient, service: Service, said: Body, **more: Any) -> httpx.Response:
    body, headers = service.signed(said, **more)
    return await http.post(service.path, content=body, headers=headers)


def known_as(issuer: OidcIssuer, person: Somebody, **changes: Any) -> Somebody:
    """The same user at the provider, changed."""
    issuer.people[person.subject] = changed = replace(person, **changes)
    return changed
