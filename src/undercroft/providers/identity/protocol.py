"""What every provider is that keeps the accounts instead of this installation."""

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
    """What a webhook reports: a user's profile as it is now, that the user is gone, or the end of one session there.

    `id` names it for ever; `session_id` is what tokens of the session say in `sid` or `session_id`.
    """

    id: str
    kind: ProviderEventKind
    profile: Profile
    session_id: str = ""


class ExternalIssuer(Protocol):
    """One file beside this one per provider."""

    issuer: str
    token_verifier: "TokenVerifier"

    async def profile(self, claims: "Claims", token: str) -> Profile:
        """Who it is, asking the provider for what the token does not say. Raises `IdentityProviderUnavailable`."""
        ...

    async def lookup(self, subject: str) -> Profile | None:
        """A user as the provider knows them now; None where it cannot be asked without a token of theirs.

        Raises `IdentityProviderUnavailable`.
        """
        ...

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent | None:
        """What a webhook tells; None when it is about something else. Raises `BadSignature`."""
        ...
