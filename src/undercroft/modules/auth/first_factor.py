"""What the first step of signing in leaves for later: for the second step, and for when the session has started."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from undercroft.core.events import Event


class FirstFactor(Struct, frozen=True, omit_defaults=True):
    """How a user signed in. It is stored wherever a sign-in waits for its second factor.

    `issuer` is the identity provider that verified the user; empty where this installation did. `identity` is an
    external identity that is to be linked to the account, but not before the sign-in is complete.
    """

    issuer: str = ""
    identity: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made

    @classmethod
    def from_json(cls, stored: dict[str, Any] | None) -> "FirstFactor":
        return msgspec.convert(stored or {}, cls)


LOCAL_FIRST_FACTOR = FirstFactor()


class SignedIn(Event, frozen=True):
    """A session of this user has started, after all factors that there are to show."""

    user_id: UUID
    first_factor: FirstFactor
