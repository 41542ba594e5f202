"""Events of users, published in the transaction of the change."""

from uuid import UUID

from undercroft.core.events import Event


class UserRegistered(Event, frozen=True):
    user_id: UUID


class EmailChanged(Event, frozen=True):
    """The user verified another address and signs in with it from now on; `previous` is free again."""

    user_id: UUID
    previous: str


class UserDeactivated(Event, frozen=True):
    user_id: UUID


class SignInsRevoked(Event, frozen=True):
    """Pending sign-ins of the user, and the tokens issued to finish them, are invalid."""

    user_id: UUID


class CredentialsRevoked(Event, frozen=True):
    """All credentials of the user are revoked. Subscribers delete those that act for the user.

    They add the number to `counts`, which becomes part of the audit entry.
    """

    user_id: UUID
    counts: dict[str, int]


class UserDeleted(Event, frozen=True):
    """The row is already anonymized. Subscribers erase their data about the user, whose address was `email`."""

    user_id: UUID
    email: str


class UserErased(Event, frozen=True):
    """The declared data of a deleted user is erased. Subscribers now erase data that depends on the account."""

    user_id: UUID
