"""Mails about identities, asked for in the transaction of what they tell of."""

from enum import StrEnum
from uuid import UUID

from undercroft.core.db import Session, utc_now
from undercroft.jobs import enqueue


class Notice(StrEnum):
    """Named as its template."""

    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"


async def tell(session: Session, user_id: UUID, notice: Notice, provider: str) -> None:
    """Have a mail written to somebody once the session's transaction has committed."""
    from undercroft.modules.identities.tasks import send_notice

    await enqueue(session, send_notice, user_id=user_id, notice=notice, provider=provider, when=utc_now())
