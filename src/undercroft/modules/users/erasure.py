"""Erasing what is stored about a deleted user, derived from what the tables declare (`core/db/privacy.py`)."""

from datetime import timedelta
from uuid import UUID

from undercroft.core.db import Session
from undercroft.core.db.privacy import erase_user
from undercroft.core.events import publish
from undercroft.jobs import enqueue
from undercroft.modules.users.events import UserErased
from undercroft.modules.users.repository import UserAddressRepository

ERASURE_DELAY = timedelta(minutes=10)
"""After which no request of the user is on its way any more, and the emails about the deletion are sent."""

ERASURE_REPEAT_PERIOD = timedelta(days=8)
"""For which the erasure is repeated every night: as long as a job about the user may end late."""


async def request_erasure(session: Session, user_id: UUID) -> None:
    """Have a user who is deleted in this transaction erased, once nothing about them is under way any more."""
    from undercroft.modules.users.tasks import erase

    await enqueue(session, erase, user_id=user_id, delay=ERASURE_DELAY)


async def erase_deleted(session: Session, user_id: UUID) -> dict[str, int]:
    """Erase a deleted user from every table; how many rows of which."""
    addresses = await UserAddressRepository(session).list_emails(user_id)
    erased = await erase_user(session, user_id, addresses)
    await publish(session, UserErased(user_id))
    return erased
