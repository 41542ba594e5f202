"""What happens to people, told inside the transaction in which it happens."""

from uuid import UUID

from undercroft.core.events import Event


class UserRegistered(Event, frozen=True):
    user_id: UUID


class EmailChanged(Event, frozen=True):
    """Somebody has proven another address, which is theirs from now on."""

    user_id: UUID


class UserDeactivated(Event, frozen=True):
    user_id: UUID


class SignInsRevoked(Event, frozen=True):
    """No sign-in of this user that was begun before goes on, nor does what was given out to finish one with."""

    user_id: UUID


class UserDeleted(Event, frozen=True):
    """The row is anonymised already; whoever keeps data of this person, whose address was `email`, erases it now."""

    user_id: UUID
    email: str
