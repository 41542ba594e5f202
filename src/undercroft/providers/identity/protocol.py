"""Protocol of providers that manage the accounts instead of this application."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from undercroft.providers.identity.profile import Profile

if TYPE_CHECKING:
    from undercroft.providers.identity.tokens import Claims, TokenVerifier


class ProviderEventKind(StrEnum):
    CHANGED = "changed"
    DELETED = "deleted"
    SESSION_ENDED = "session_ended"


class ProviderEvent(Struct, frozen=True):
    """An event from a webhook: a user was changed or deleted, or a session at the provider ended.

    `id` identifies the event permanently. `session_id` equals the claim `sid` or `session_id` of the session's tokens.
    """

    id: str
    kind: ProviderEventKind
    profile: Profile
    session_id: str = ""


class ExternalIssuer(Protocol):
    """A provider that issues tokens. Each provider has its own module in this package."""

    issuer: str
    token_verifier: "TokenVerifier"

    async def profile(self, claims: "Claims", token: str) -> Profile:
        """Return the profile, fetching data that the token omits. Raises `IdentityProviderUnavailable`."""
        ...

    async def lookup(self, subject: str) -> Profile | None:
        """Return a user's current profile; None if the provider requires a token of the user.

        Raises `IdentityProviderUnavailable`.
        """
        ...

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:
        """Verify and parse a webhook. Returns None for irrelevant events. Raises `BadSignature`."""
        ...
