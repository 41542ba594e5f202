"""Queries for users."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select
from sqlmodel import col

from undercroft.core.auth import PlatformRole
from undercroft.core.db import Repository
from undercroft.core.db.entity_fields import EntityFields
from undercroft.modules.users.errors import EmailTaken, UserNotFound
from undercroft.modules.users.models import User, UserAddress


class UserRepository(Repository[User]):
    model = User
    not_found = UserNotFound
    searchable = ("email", "full_name")
    sortable = ("created_at", "email", "full_name")

    async def get_by_email(self, email: str) -> User | None:
        """Return the user with this address (in the form of `normalize_email`)."""
        return await self.get_by(email=email)

    async def reserve_email(self, email: str) -> None:
        """Reserve an address against concurrent use until the transaction ends. Raises `EmailTaken`."""
        await self._session.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(f"users.email {email}", 0)))
        )
        if await self.get_by_email(email) is not None:
            raise EmailTaken

    async def lock_no_key(self, user_id: UUID) -> User:
        """Lock a user against changes until the transaction ends. Raises `UserNotFound`.

        Call it before locking a team: account deletion locks the user first, then the user's teams.
        """
        return await self.lock(user_id, no_key=True)

    async def lock_if_password_unchanged(self, user_id: UUID, password_hash: str) -> User | None:
        """Lock an active user if the password hash is still the one that was verified; else return None."""
        query = self._query().where(
            col(User.id) == user_id, col(User.password_hash) == password_hash, col(User.is_active)
        )
        return await self._first(query.with_for_update(key_share=True).execution_options(populate_existing=True))

    async def lock_superadmins(self) -> Sequence[UUID]:
        """Lock the active superadmins until the transaction ends; return their ids."""
        query = (
            select(col(User.id))
            .where(col(User.role) == PlatformRole.SUPERADMIN, col(User.is_active))
            .order_by(col(User.id))
            .with_for_update()
        )
        return (await self._session.scalars(query)).all()

    async def deleted_since(self, moment: datetime) -> Sequence[UUID]:
        """List the ids of accounts deleted at or after this time."""
        return (await self._session.scalars(select(col(User.id)).where(col(User.deleted_at) >= moment))).all()

    async def list_addresses(self, user_id: UUID) -> Sequence[str]:
        """List the current and former addresses of an account, except those that another account has taken."""
        query = select(col(UserAddress.email)).where(col(UserAddress.user_id) == user_id)
        return (await self._session.scalars(query)).all()


PROFILE_COLUMNS: tuple[Any, ...] = (
    col(User.id).label("user_id"),
    col(User.email),
    col(User.full_name),
    col(User.locale),
    col(User.timezone),
    col(User.avatar_url),
    cast(col(User.notifications), Text).label("notifications"),
    col(User.role),
    col(User.email_verified_at),
    col(User.password_hash).is_not(None).label("has_password"),
    col(User.created_at),
    col(User.updated_at),
)
"""Columns of a user that an authentication query selects, so that `encode_profile` needs no query."""
EXTRA_PREFIX = "extra_"
"""Beginning of the names of columns with fields that extensions add to users."""


def add_extra_fields(query: Select[Any], fields: EntityFields | None) -> Select[Any]:
    """Add the fields that extensions add to users to a query with `PROFILE_COLUMNS`."""
    return fields.join(query, prefix=EXTRA_PREFIX) if fields else query
