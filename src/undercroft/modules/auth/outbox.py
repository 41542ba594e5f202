"""Requests emails in the transaction of the change that they are about."""

from datetime import timedelta

from undercroft.core.db import Session, utc_now
from undercroft.core.ids import UUID, new_id
from undercroft.jobs import enqueue
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.models import MailPurpose, MailRequest
from undercroft.modules.auth.throttle import allow_mail

MAIL_REQUEST_RETENTION = timedelta(days=7)


async def request_link_mail(session: Session, purpose: MailPurpose, email: str, client: Client) -> UUID | None:
    """Request an email with a link and return its ID; None if too many were sent recently."""
    if not await allow_mail(session, purpose, email, client.device):
        return None
    return await request_mail(session, purpose, email, client=client)


async def request_mail(
    session: Session,
    purpose: MailPurpose,
    email: str,
    *,
    user_id: UUID | None = None,
    full_name: str = "",
    client: Client | None = None,
) -> UUID:
    """Request an email and return its ID. It is sent after the session's transaction commits.

    `client` is the requesting client, for emails that mention it.
    """
    from undercroft.modules.auth.tasks import send_mail  # imported late: callers of this module do not need the tasks

    request = MailRequest(
        id=new_id(),
        purpose=purpose,
        email=email,
        user_id=user_id,
        full_name=full_name,
        expires_at=utc_now() + MAIL_REQUEST_RETENTION,
        **(client.request_columns() if client is not None else {}),
    )
    session.add(request)
    await enqueue(session, send_mail, request_id=request.id)
    return request.id
