"""Email changes reported by an issuer while another account still has the new address.

The address is stored as the identity's `pending_email` until it is free. The other account may itself have a pending
address and must change first. If users swap their addresses, one of them gets a temporary address in between.
"""

from uuid import UUID

from undercroft.core.db import Session
from undercroft.jobs import enqueue
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.identities.repository import IdentityRepository
from undercroft.modules.users import User, UserRepository, UserService


class PendingEmailService:
    """Applies pending email addresses. A lock prevents other transactions from applying any at the same time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._identities = IdentityRepository(session)
        self._users = UserRepository(session)
        self._parked: dict[UUID, str] = {}

    async def apply(self, identity_id: UUID) -> bool:
        """Change the account's email to the identity's pending address. Returns whether the address was available."""
        await self._identities.lock_pending_emails()
        identity = await self._identities.find(identity_id)
        return identity is not None and await self._change_email(identity, ())

    async def _change_email(self, identity: ExternalIdentity, waiting: tuple[UUID, ...]) -> bool:
        user_id, email = identity.user_id, identity.pending_email
        if user_id is None or email is None:
            return False
        owner = await self._users.get_by_email(email)
        if (
            owner is not None
            and owner.id != user_id
            and not await self._free_email(owner, identity, (*waiting, user_id))
        ):
            return False
        await self._identities.update(identity, {"pending_email": None})
        if owner is None or owner.id != user_id:
            previous = self._parked.pop(user_id, None)
            await UserService(self._session).change_email(user_id, email, previous=previous)
        return True

    async def _free_email(self, owner: User, identity: ExternalIdentity, waiting: tuple[UUID, ...]) -> bool:
        """Change the email of the account that owns the address first, if it has a pending address as well."""
        if owner.id in waiting:
            self._parked[owner.id] = owner.email
            await self._users.update(await self._users.lock(owner.id), {"email": f"{owner.id}@moving.invalid"})
            return True
        owner_identity = await self._identities.find_by_issuer(owner.id, identity.issuer)
        return owner_identity is not None and await self._change_email(owner_identity, waiting)


async def retry_pending_email(session: Session, identity_id: UUID) -> None:
    """Enqueue a job that applies a pending address; it runs after the session's transaction commits."""
    from undercroft.modules.identities.tasks import apply_address

    await enqueue(session, apply_address, identity_id=identity_id, key=str(identity_id))


async def retry_pending_emails(session: Session, email: str | None = None) -> int:
    """Enqueue jobs for all pending addresses, or only for those equal to `email`. Returns the number of jobs."""
    waiting = await IdentityRepository(session).list_pending(email)
    for identity_id in waiting:
        await retry_pending_email(session, identity_id)
    return len(waiting)
