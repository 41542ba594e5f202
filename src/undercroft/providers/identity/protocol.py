"""What every provider is that keeps the accounts instead of this installation."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from undercroft.providers.identity.profile import Profile

if TYPE_CHECKING:
    from undercroft.providers.identity.tokens import Claims, Tokens


class News(StrEnum):
    CHANGED = "changed"
    DELETED = "deleted"


class Event(Struct, frozen=True):
    """What a webhook tells: somebody's profile as it is now, or that they are gone. `id` names it for ever."""

    id: str
    news: News
    profile: Profile


class ExternalIssuer(Protocol):
    """One file beside this one per provider."""

    issuer: str
    tokens: "Tokens"

    async def profile(self, claims: "Claims", token: str) -> Profile:
        """Who it is, asking the provider for what the token does not say. Raises `IdentityProviderUnavailable`."""
        ...

    def event(self, headers: Mapping[str, str], body: bytes) -> Event | None:
        """What a webhook tells; None when it is about something else. Raises `BadSignature`."""
        ...
