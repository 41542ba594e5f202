"""The decisions about sessions and about the claims of their access tokens."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from undercroft.core.db import Session
from undercroft.core.hooks import HookPoint, decide
from undercroft.modules.sessions.models import SessionKind

MAX_CLAIMS_SIZE = 1024
"""Of the claims that hooks add, encoded as JSON, in bytes: clients send the token with each request."""


class SignIn(HookPoint, frozen=True, kw_only=True):
    """A user has passed all factors, and a session starts.

    `issuer` is the identity provider that verified the user, empty for a password, link or passkey. `lifetime` is that
    of the session in seconds; hooks can shorten it. An access token of an external identity provider starts no session,
    and the impersonation by an administrator is no sign-in.
    """

    user_id: UUID
    email: str
    kind: SessionKind
    issuer: str
    passed_mfa: bool
    ip: str
    user_agent: str
    lifetime: Annotated[int, Meta(ge=1)]

    amendable = ("lifetime",)


class TokenClaims(HookPoint, frozen=True, kw_only=True):
    """An access token is issued: at sign-in, at each refresh, and for an impersonation (`impersonator_id`).

    Hooks add claims to `ext`, JSON of at most 1,024 bytes, each module under its name. All other claims are fixed.
    """

    user_id: UUID
    session_id: UUID
    impersonator_id: UUID | None = None
    ext: dict[str, Any] = {}

    amendable = ("ext",)

    def __post_init__(self) -> None:
        size = len(msgspec.json.encode(self.ext))
        if size > MAX_CLAIMS_SIZE:
            raise ValueError(f"ext has {size} bytes, the limit is {MAX_CLAIMS_SIZE}.")


async def decide_claims(
    session: Session, user_id: UUID, session_id: UUID, *, impersonator_id: UUID | None = None
) -> dict[str, Any]:
    """Return the claims that hooks add to an access token."""
    claims = TokenClaims(user_id=user_id, session_id=session_id, impersonator_id=impersonator_id)
    return (await decide(session, claims)).ext
