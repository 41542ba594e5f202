"""Mails about identities, asked for in the transaction of what they tell of."""

from enum import StrEnum
from uuid import UUID

from undercroft.core.db import Session
from undercroft.modules import users
from undercroft.providers.identity import get_provider_label


class IdentityNotification(StrEnum):
    """Named as its template."""

    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"


async def notify(session: Session, user_id: UUID, notice: IdentityNotification, provider: str) -> None:
    """Have a mail written to somebody once the session's transaction has committed."""
    await users.notify(session, user_id, notice, provider=get_provider_label(provider))
