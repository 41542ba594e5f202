"""Mails about identities, asked for in the transaction of what they tell of."""

from enum import StrEnum
from uuid import UUID

from undercroft.core.db import Session
from undercroft.modules import users
from undercroft.providers.identity import label_of


class Notice(StrEnum):
    """Named as its template."""

    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"


async def tell(session: Session, user_id: UUID, notice: Notice, provider: str) -> None:
    """Have a mail written to somebody once the session's transaction has committed."""
    await users.tell(session, user_id, notice, provider=label_of(provider))
