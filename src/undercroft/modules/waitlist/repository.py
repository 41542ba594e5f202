"""Queries of the waiting list."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from undercroft.core.db import Repository, utc_now
from undercroft.modules.users import User
from undercroft.modules.waitlist.errors import WaitlistEntryNotFound
from undercroft.modules.waitlist.models import WaitlistEntry, WaitlistState

_HAS_ACCOUNT = select(col(User.id)).where(col(User.email) == col(WaitlistEntry.email)).exists()


class WaitlistRepository(Repository[WaitlistEntry]):
    model = WaitlistEntry
    not_found = WaitlistEntryNotFound
    searchable = ("email",)
    sortable = ("created_at", "email", "invited_at")
    default_sort = "created_at"

    async def join(self, email: str, now: datetime, *, unless_mailed_since: datetime) -> UUID | None:
        """Add an address, or let it wait again after its invitation has expired.

        Returns the ID of the entry if an email is due: none was sent since this time. Concurrent calls add one entry,
        and only one of them returns its ID.
        """
        new = WaitlistEntry(email=email, created_at=now, updated_at=now, mailed_at=now)
        state, mailed_at = col(WaitlistEntry.state), col(WaitlistEntry.mailed_at)
        is_invited = and_(state == WaitlistState.INVITED, col(WaitlistEntry.invitation_expires_at) > now)
        statement = insert(WaitlistEntry).values(**new.model_dump())
        joined = statement.on_conflict_do_update(
            index_elements=["email"],
            set_={
                "state": case((is_invited, WaitlistState.INVITED.value), else_=WaitlistState.WAITING.value),
                "mailed_at": now,
                "updated_at": now,
            },
            where=or_(mailed_at.is_(None), mailed_at <= unless_mailed_since),
        )
        return cast("UUID | None", await self._write_session.scalar(joined.returning(col(WaitlistEntry.id))))

    async def lock_invited(self, email: str) -> WaitlistEntry | None:
        """Lock the entry of an address until the transaction ends, if its invitation is valid."""
        query = self._query().where(
            col(WaitlistEntry.email) == email,
            col(WaitlistEntry.state) == WaitlistState.INVITED,
            col(WaitlistEntry.invitation_expires_at) > utc_now(),
        )
        return await self._first(query.with_for_update().execution_options(populate_existing=True))

    async def lock_many(self, ids: Collection[UUID]) -> Sequence[WaitlistEntry]:
        """Lock these entries until the transaction ends. Raises `WaitlistEntryNotFound` if one does not exist."""
        query = self._query().where(col(WaitlistEntry.id).in_(ids)).order_by(col(WaitlistEntry.id)).with_for_update()
        rows: Sequence[Any] = (await self._session.scalars(query.execution_options(populate_existing=True))).all()
        if missing := set(ids) - {row.id for row in rows}:
            raise WaitlistEntryNotFound(details={"entry_ids": sorted(map(str, missing))})
        return rows

    async def lock_next(self, count: int) -> Sequence[WaitlistEntry]:
        """Lock the entries that have waited longest; of concurrent calls, each gets others."""
        query = self._query().where(col(WaitlistEntry.state) == WaitlistState.WAITING.value)
        query = query.order_by(col(WaitlistEntry.created_at), col(WaitlistEntry.id)).limit(count)
        return (await self._session.scalars(query.with_for_update(skip_locked=True))).all()

    async def mark_invited(self, ids: Collection[UUID], now: datetime, *, until: datetime) -> None:
        values = {"invited_at": now, "invitation_expires_at": until, "updated_at": now}
        await self._update(col(WaitlistEntry.id).in_(ids), state=WaitlistState.INVITED.value, **values)

    async def mark_registered(self, user_id: UUID) -> int:
        """Store that a new user has an account; returns the number of the user's entries."""
        address = select(col(User.email)).where(col(User.id) == user_id).scalar_subquery()
        return await self._register(col(WaitlistEntry.email) == address)

    async def complete(self, entry_id: UUID) -> bool:
        """Mark an entry as registered if an account has the address; returns whether one has.

        Deletes the entry if it is only one of the account's owner, who tried to register again.
        """
        is_new = and_(col(WaitlistEntry.invited_at).is_(None), col(WaitlistEntry.registered_at).is_(None))
        if await self._delete(col(WaitlistEntry.id) == entry_id, is_new, _HAS_ACCOUNT):
            return True
        return await self._register(col(WaitlistEntry.id) == entry_id, _HAS_ACCOUNT) > 0

    async def delete_older(self, before: datetime) -> int:
        """Delete entries that were created before this time, unless their invitation is valid."""
        expiry = col(WaitlistEntry.invitation_expires_at)
        is_open = and_(col(WaitlistEntry.state) == WaitlistState.INVITED, expiry > utc_now())
        return await self._delete(col(WaitlistEntry.created_at) < before, ~func.coalesce(is_open, False))

    async def _register(self, *where: Any) -> int:
        now = utc_now()
        registered_at = func.coalesce(col(WaitlistEntry.registered_at), now)
        values = {"registered_at": registered_at, "updated_at": now}
        return await self._update(*where, state=WaitlistState.REGISTERED.value, **values)
