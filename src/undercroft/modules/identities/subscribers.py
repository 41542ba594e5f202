"""What happens to identities when something happens to people."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.identities.repository import IdentityRepository, OnceRepository
from undercroft.modules.users import SignInsRevoked, UserDeleted


@subscribe(SignInsRevoked)
async def revoke_codes(session: Session, event: SignInsRevoked) -> None:
    """A code of before is exchanged for nothing."""
    await OnceRepository(session).revoke_codes(event.user_id)


@subscribe(UserDeleted)
async def forget_identities(session: Session, event: UserDeleted) -> None:
    """Who they were elsewhere is not kept."""
    await IdentityRepository(session).erase(event.user_id)
