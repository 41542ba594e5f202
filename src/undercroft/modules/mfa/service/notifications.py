"""Emails about second factors, enqueued in the transaction of the change."""

from uuid import UUID

from undercroft.core.db import Session
from undercroft.modules import users
from undercroft.modules.auth import LinkPage, page_url


async def notify(session: Session, user_id: UUID, template: str, **data: str) -> None:
    """Enqueue an email to a user; it is sent after the session's transaction commits. `template` is `mfa/…`."""
    await users.notify(session, user_id, template, reset_link=page_url(LinkPage.RESET_PASSWORD), **data)
