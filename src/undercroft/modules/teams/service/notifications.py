"""Emails about teams to members, enqueued in the transaction of the change. Jobs store IDs, not names."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from undercroft.core.db import Session
from undercroft.jobs import enqueue
from undercroft.modules.teams.models import TeamRole
from undercroft.modules.teams.repository.members import MembershipRepository


async def notify(
    session: Session,
    user_id: UUID,
    template: str,
    team_id: UUID,
    *,
    about: UUID | None = None,
    domains: Sequence[str] = (),
) -> None:
    """Enqueue an email to a user about a team, optionally about another user; sent after the commit."""
    from undercroft.modules.teams.tasks import send_notification

    data: dict[str, Any] = {"template": template, "team_id": team_id, "about": about, "domains": list(domains)}
    await enqueue(session, send_notification, user_id=user_id, **data)


async def notify_owners(session: Session, team_id: UUID, template: str, **data: Any) -> None:
    for owner in await MembershipRepository(session).users_with_role(team_id, TeamRole.OWNER):
        await notify(session, owner, template, team_id, **data)
