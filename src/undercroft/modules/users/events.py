"""What happens to people, told inside the transaction in which it happens."""

from dataclasses import dataclass
from uuid import UUID

from undercroft.core.events import Event


@dataclass(frozen=True, slots=True)
class UserRegistered(Event):
    user_id: UUID


@dataclass(frozen=True, slots=True)
class EmailChanged(Event):
    """Somebody has proven another address, which is theirs from now on."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class UserDeactivated(Event):
    user_id: UUID


@dataclass(frozen=True, slots=True)
class UserDeleted(Event):
    """The row is anonymised already; whoever keeps data of this person erases it now."""

    user_id: UUID
