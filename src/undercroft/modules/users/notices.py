"""Mails that tell people what was done to their account, asked for in the transaction of what they tell of."""

from uuid import UUID

from undercroft.core.db import Session, utc_now
from undercroft.jobs import enqueue


async def tell(session: Session, user_id: UUID, template: str, **facts: str) -> None:
    """Have a mail of this template written to somebody once the session's transaction has committed.

    Templates are given `name`, `when`, `link` and these facts.
    """
    from undercroft.modules.users.tasks import send_notice

    await enqueue(session, send_notice, user_id=user_id, template=template, when=utc_now(), facts=facts)
