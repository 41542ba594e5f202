"""Erase the data of deleted users, derived from the privacy declarations of the tables (`core/db/privacy.py`)."""

from datetime import timedelta
from uuid import UUID

from undercroft.core.db import Session
from undercroft.core.db.privacy import erase_user
from undercroft.core.events import publish
from undercroft.jobs import enqueue
from undercroft.modules.users.events import UserErased
from undercroft.modules.users.repository import UserAddressRepository

ERASURE_DELAY = timedelta(minutes=10)
"""Long enough for the user's last requests to finish and for the emails about the deletion to be sent."""

ERASURE_REPEAT_PERIOD = timedelta(days=8)
"""How long the erasure is repeated every night: the latest time at which a job about the user may end."""


async def request_erasure(session: Session, user_id: UUID) -> None:
    """Enqueue the erasure of a user deleted in this transaction, delayed until requests and emails are done."""
    from undercroft.modules.users.tasks import erase

    await enqueue(session, erase, user_id=user_id, delay=ERASURE_DELAY)


async def erase_deleted(session: Session, user_id: UUID) -> dict[str, int]:
    """Erase a deleted user from every table; return the number of rows by table."""
    addresses = await UserAddressRepository(session).list_emails(user_id)
    erased = await erase_user(session, user_id, addresses)
    await publish(session, UserErased(user_id))
    return erased
