"""Emails to users about changes of their account, enqueued in the transaction of the change."""

from uuid import UUID

from undercroft.core.audit import current_actor, current_origin
from undercroft.core.db import Session, utc_now
from undercroft.core.http.user_agents import describe_user_agent
from undercroft.jobs import enqueue


async def notify(session: Session, user_id: UUID, template: str, **facts: str) -> None:
    """Enqueue an email to a user, sent after the session's transaction has committed.

    Templates receive `name`, `when`, `where`, `link` and these facts.
    """
    from undercroft.modules.users.tasks import send_notice

    await enqueue(
        session, send_notice, user_id=user_id, template=template, when=utc_now(), facts=facts, where=_origin(user_id)
    )


def _origin(user_id: UUID) -> str:
    """IP address and browser of the user's own action; empty for an action by an administrator, who stays private."""
    actor, origin = current_actor(), current_origin()
    if actor.user_id not in (None, user_id) or actor.impersonator_id is not None:
        return ""
    program = describe_user_agent(origin.user_agent)
    return f"{origin.ip} ({program})" if origin.ip and program else origin.ip
