"""Marks entries whose owner has created an account, in whichever way."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.users import UserRegistered
from undercroft.modules.waitlist.repository import WaitlistRepository


@subscribe(UserRegistered)
async def mark_registered(session: Session, event: UserRegistered) -> None:
    await WaitlistRepository(session).mark_registered(event.user_id)
