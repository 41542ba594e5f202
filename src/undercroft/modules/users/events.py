"""What happens to people, told inside the transaction in which it happens."""

from uuid import UUID

from undercroft.core.events import Event


class UserRegistered(Event, frozen=True):
    user_id: UUID


class EmailChanged(Event, frozen=True):
    """Somebody has proven another address, which is theirs from now on; `previous` is free again."""

    user_id: UUID
    previous: str


class UserDeactivated(Event, frozen=True):
    user_id: UUID


class SignInsRevoked(Event, frozen=True):
    """No sign-in of this user that was begun before goes on, nor does what was given out to finish one with."""

    user_id: UUID


class UserDeleted(Event, frozen=True):
    """The row is anonymised already; whoever keeps data of this person, whose address was `email`, erases it now."""

    user_id: UUID
    email: str


class UserErased(Event, frozen=True):
    """What the tables declare about a deleted user is erased; what follows the account is erased now, too."""

    user_id: UUID
