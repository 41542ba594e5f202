"""Accounts that move to an address which the issuer reported while another account still has it.

The identity's `pending_email` waits until the address is free. That may take another account's move, and of two users
who swap their addresses neither can go first: one is parked in between.
"""

from uuid import UUID

from undercroft.core.db import Session
from undercroft.jobs import enqueue
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.identities.repository import IdentityRepository
from undercroft.modules.users import User, UserRepository, UserService


class PendingEmailService:
    """In one transaction, in which nothing else moves accounts with pending addresses."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._identities = IdentityRepository(session)
        self._users = UserRepository(session)
        self._parked: dict[UUID, str] = {}

    async def apply(self, identity_id: UUID) -> bool:
        """Move the account of an identity to its pending address; whether that could be done."""
        await self._identities.lock_pending_emails()
        identity = await self._identities.find(identity_id)
        return identity is not None and await self._change_email(identity, ())

    async def _change_email(self, identity: ExternalIdentity, waiting: tuple[UUID, ...]) -> bool:
        user_id, email = identity.user_id, identity.pending_email
        if user_id is None or email is None:
            return False
        holder = await self._users.get_by_email(email)
        if (
            holder is not None
            and holder.id != user_id
            and not await self._free_email(holder, identity, (*waiting, user_id))
        ):
            return False
        await self._identities.update(identity, {"pending_email": None})
        if holder is None or holder.id != user_id:
            previous = self._parked.pop(user_id, None)
            await UserService(self._session).change_email(user_id, email, previous=previous)
        return True

    async def _free_email(self, holder: User, identity: ExternalIdentity, waiting: tuple[UUID, ...]) -> bool:
        """Move whoever has the address away from it first, if they wait for another one as well."""
        if holder.id in waiting:
            self._parked[holder.id] = holder.email
            await self._users.update(await self._users.lock(holder.id), {"email": f"{holder.id}@moving.invalid"})
            return True
        theirs = await self._identities.find_by_issuer(holder.id, identity.issuer)
        return theirs is not None and await self._change_email(theirs, waiting)


async def retry_pending_email(session: Session, identity_id: UUID) -> None:
    """Have a pending address tried again once the session's transaction has committed."""
    from undercroft.modules.identities.tasks import apply_address

    await enqueue(session, apply_address, identity_id=identity_id, key=str(identity_id))


async def retry_pending_emails(session: Session, email: str | None = None) -> int:
    """Have all pending addresses tried again, or those that wait for this one; how many."""
    waiting = await IdentityRepository(session).list_pending(email)
    for identity_id in waiting:
        await retry_pending_email(session, identity_id)
    return len(waiting)
