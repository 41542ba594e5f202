"""Providers that manage the accounts instead of this application; AUTH_PROVIDER selects one."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from undercroft.core.adapters import find_adapter
from undercroft.core.settings import load
from undercroft.providers.http_client import HttpClient
from undercroft.providers.identity.profile import Profile
from undercroft.providers.identity.settings import KIND, IdentitySettings

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


def make_external(http_client: HttpClient) -> ExternalIssuer:
    """Create the issuer that AUTH_PROVIDER selects. Raises `ConfigurationError`, also for `local`."""
    issuer: ExternalIssuer = find_adapter(KIND, load(IdentitySettings).auth_provider, "AUTH_PROVIDER")(http_client)
    return issuer
