"""Asking for a mail in the transaction of what it is about."""

from datetime import timedelta

from undercroft.core.db import Session, utc_now
from undercroft.core.ids import UUID, new_id
from undercroft.jobs import enqueue
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.models import MailPurpose, MailRequest
from undercroft.modules.auth.throttle import allow_mail

MAIL_REQUEST_RETENTION = timedelta(days=7)


async def request_link_mail(session: Session, purpose: MailPurpose, email: str, client: Client) -> UUID | None:
    """Have a link mailed to an address at a client's request; None where enough of them were sent lately."""
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
    """Have a mail written to an address, whoever has it, once the session's transaction has committed; its id.

    `client` is who asked for it, where the email is to state that.
    """
    from undercroft.modules.auth.tasks import send_mail  # only here: what others use of this module loads no tasks

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
