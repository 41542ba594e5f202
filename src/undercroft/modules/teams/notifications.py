"""Emails about teams to members, enqueued in the transaction of the change. Jobs store IDs, not names."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from undercroft.core.auth.permissions import TeamRole
from undercroft.core.db import Session
from undercroft.jobs import enqueue
from undercroft.modules.teams.repository import MembershipRepository


class TeamNotification(StrEnum):
    """Values are template names."""

    TEAM_JOINED = "team_joined"
    MEMBER_JOINED = "member_joined"
    DOMAIN_REVOKED = "domain_revoked"


async def notify(
    session: Session,
    to: UUID,
    notice: TeamNotification,
    team_id: UUID,
    *,
    about: UUID | None = None,
    domains: Sequence[str] = (),
) -> None:
    """Enqueue an email to a user about a team, optionally about another user; sent after the commit."""
    from undercroft.modules.teams.tasks import send_team_notice

    await enqueue(
        session, send_team_notice, user_id=to, notice=notice, team_id=team_id, about=about, domains=list(domains)
    )


async def notify_owners(
    session: Session, team_id: UUID, notice: TeamNotification, *, about: UUID | None = None, domains: Sequence[str] = ()
) -> None:
    """Enqueue the email to every owner of the team."""
    for owner in await MembershipRepository(session).users_with_role(team_id, TeamRole.OWNER):
        await notify(session, owner, notice, team_id, about=about, domains=domains)
