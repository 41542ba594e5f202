"""Links to sign in with social identity providers. With external accounts, they are the only way to sign in."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import Depends
from msgspec import Struct

from undercroft.core.http import Surface
from undercroft.core.settings import load
from undercroft.modules.auth import LocalAccountsOff
from undercroft.modules.identities import Connections, ConnectionsDep
from undercroft.providers.identity import IdentitySettings


class SocialLink(Struct, frozen=True):
    label: str
    url: str


def social_links(connections: Connections, next_path: str) -> Sequence[SocialLink]:
    """Return one link for each enabled provider, which returns to `next_path` after sign-in."""
    query = urlencode({"return_to": next_path})
    base = f"{Surface.AUTH.prefix}/social"
    return [SocialLink(each.label, f"{base}/{each.name}?{query}") for each in connections.social.values()]


async def _check_sign_in_available(connections: ConnectionsDep) -> None:
    if load(IdentitySettings).is_external and not connections.social:
        raise LocalAccountsOff


def require_sign_in_available() -> Any:
    """Return a dependency for pages that need browser sign-in; without it they return 403."""
    return Depends(_check_sign_in_available)
