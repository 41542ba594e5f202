"""The result of the first factor, which is stored until the sign-in is complete."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from undercroft.core.events import Event


class FirstFactor(Struct, frozen=True, omit_defaults=True):
    """How a user signed in. Stored while a sign-in waits for its second factor.

    `issuer` is the identity provider that verified the user; empty if this installation did. `identity` is an external
    identity to link to the account once the sign-in is complete.
    """

    issuer: str = ""
    identity: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        encoded: dict[str, Any] = msgspec.to_builtins(self)
        return encoded

    @classmethod
    def from_json(cls, stored: dict[str, Any] | None) -> "FirstFactor":
        return msgspec.convert(stored or {}, cls)


LOCAL_FIRST_FACTOR = FirstFactor()


class SignedIn(Event, frozen=True):
    """Published when a session has started, after all required factors."""

    user_id: UUID
    first_factor: FirstFactor
