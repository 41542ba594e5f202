"""Emails about identities, enqueued in the transaction of the change."""

from enum import StrEnum
from uuid import UUID

from undercroft.core.db import Session
from undercroft.modules import users
from undercroft.providers.identity import get_provider_label


class IdentityNotification(StrEnum):
    """The value is the name of the email template."""

    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"


async def notify(session: Session, user_id: UUID, template: IdentityNotification, provider: str) -> None:
    """Enqueue an email to a user; it is sent after the session's transaction commits."""
    await users.notify(session, user_id, template, provider=get_provider_label(provider))
