"""Emails about teams to their members, requested in the transaction of the change. Jobs hold ids, never names."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from undercroft.core.auth.permissions import TeamRole
from undercroft.core.db import Session
from undercroft.jobs import enqueue
from undercroft.modules.teams.repository import MembershipRepository


class TeamNotification(StrEnum):
    """Named as its template."""

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
    """Have an email about a team, and about a user if one is named, sent to a user after the commit."""
    from undercroft.modules.teams.tasks import send_team_notice

    await enqueue(
        session, send_team_notice, user_id=to, notice=notice, team_id=team_id, about=about, domains=list(domains)
    )


async def notify_owners(
    session: Session, team_id: UUID, notice: TeamNotification, *, about: UUID | None = None, domains: Sequence[str] = ()
) -> None:
    """The same to every owner of the team."""
    for owner in await MembershipRepository(session).users_with_role(team_id, TeamRole.OWNER):
        await notify(session, owner, notice, team_id, about=about, domains=domains)
