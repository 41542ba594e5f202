"""What happens to identities when something happens to people."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.identities.repository import IdentityRepository
from undercroft.modules.users import UserDeleted


@subscribe(UserDeleted)
async def forget_identities(session: Session, event: UserDeleted) -> None:
    """Who they were elsewhere is not kept."""
    await IdentityRepository(session).erase(event.user_id)
