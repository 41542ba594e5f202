"""The use cases of the waiting list: join, list, invite and remove."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement

from undercroft.core.audit import Entry, person_id_for_email, record
from undercroft.core.db import Paging, ReadSession, RowPage, utc_now
from undercroft.core.overrides import Service, call_super
from undercroft.core.settings import load
from undercroft.jobs import enqueue
from undercroft.modules.waitlist.models import WaitlistEntry, WaitlistState
from undercroft.modules.waitlist.repository import WaitlistRepository
from undercroft.modules.waitlist.settings import WaitlistSettings

MAIL_INTERVAL = timedelta(hours=1)
"""An address gets at most one email in this time because of sign-ups, which anyone can send."""


class WaitlistService(Service):
    """Pass a `Session` to change the waiting list, a `ReadSession` to list it."""

    def __init__(self, session: ReadSession, by: UUID | None = None) -> None:
        self._session = session
        self._by = by
        self._entries = WaitlistRepository(session)

    async def list(self, paging: Paging, *where: ColumnElement[bool]) -> RowPage[WaitlistEntry]:
        """List matching entries, oldest first by default. Raises `UnknownSort`."""
        return await self._entries.list(paging, *where)

    @call_super
    async def join(self, email: str) -> None:
        """Add an address unless it is on the list. It takes the same steps whether or not an account has the address.

        The job that sends the email looks the account up.
        """
        from undercroft.modules.waitlist.tasks import send_confirmation

        now = utc_now()
        entry_id = await self._entries.join(email, now, unless_mailed_since=now - MAIL_INTERVAL)
        if entry_id is not None:
            await enqueue(self._session.writable, send_confirmation, entry_id=entry_id)

    @call_super
    async def invite(self, entry_ids: Collection[UUID]) -> int:
        """Invite these entries, also once more; returns how many of them have no account yet.

        Raises `WaitlistEntryNotFound`.
        """
        found = await self._entries.lock_many(entry_ids)
        return await self._invite([entry for entry in found if entry.state != WaitlistState.REGISTERED])

    @call_super
    async def invite_next(self, count: int) -> int:
        """Invite the entries that have waited longest; returns their number."""
        return await self._invite(await self._entries.lock_next(count))

    @call_super
    async def remove(self, entry_id: UUID) -> None:
        """Remove an entry; its invitation no longer works. Raises `WaitlistEntryNotFound`."""
        entry = await self._entries.lock(entry_id)
        await self._entries.delete(entry)
        await self._record("waitlist.removed", entry)

    async def _invite(self, entries: Sequence[WaitlistEntry]) -> int:
        from undercroft.modules.waitlist.tasks import send_invitation

        if not entries:
            return 0
        now = utc_now()
        until = now + timedelta(days=load(WaitlistSettings).waitlist_invitation_days)
        await self._entries.mark_invited([entry.id for entry in entries], now, until=until)
        for entry in entries:
            await enqueue(self._session.writable, send_invitation, entry_id=entry.id)
        await self._record("waitlist.invited", *entries)
        return len(entries)

    async def _record(self, action: str, *entries: WaitlistEntry) -> None:
        """Record one entry in the audit log for what an administrator did at once."""
        if len(entries) == 1:
            (entry,) = entries
            about = Entry(action, self._by, "waitlist_entry", entry.id, person_id=person_id_for_email(entry.email))
        else:
            ids = [str(entry.id) for entry in entries]
            about = Entry(action, self._by, "waitlist_entry", details={"entry_ids": ids})
        await record(self._session.writable, about)
