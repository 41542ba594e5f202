"""Becoming a member, by an invitation or by one's domain; seats are counted while the team is held."""

from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session, utc_now
from undercroft.modules.teams.errors import SeatLimitReached
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.teams.repository import InvitationRepository, MembershipRepository, TeamRepository
from undercroft.modules.teams.seats import require_seat
from undercroft.modules.users import User, UserRepository


async def join(session: Session, team: Team, user_id: UUID, role: str) -> bool:
    """Make somebody a member of a team that is held; False when they are one already. Raises `SeatLimitReached`."""
    members = MembershipRepository(session)
    if await members.get_by(team_id=team.id, user_id=user_id) is not None:
        return False
    await require_seat(session, team.id)
    await members.create(Membership(team_id=team.id, user_id=user_id, role=role))
    return True


async def join_by_domain(session: Session, user_id: UUID) -> None:
    """Let somebody into every team that invites the domain of their proven address, as long as it has seats."""
    user = await UserRepository(session).find(user_id)
    if user is None or not user.email_verified:
        return
    domain = domain_of(user.email)
    teams = TeamRepository(session)
    for team_id in await teams.with_domain(domain):
        team = await teams.hold(team_id)
        if domain in team.auto_join_domains:
            await _join(session, team, user)


async def _join(session: Session, team: Team, user: User) -> None:
    """In the role of an invitation that waits for this address, if there is one, which is used up by it."""
    invitation = await InvitationRepository(session, team.id).waiting_for(user.email)
    role = invitation.role if invitation else team.auto_join_role
    try:
        joined = await join(session, team, user.id, role)
    except SeatLimitReached:
        return
    if not joined:
        return
    details = {"domain": domain_of(user.email)}
    if invitation is not None:
        invitation.accepted_at, invitation.accepted_by = utc_now(), user.id
        details["invitation_id"] = str(invitation.id)
    entry = Entry("member.joined", user.id, "user", user.id, team.id, after={"role": role}, details=details)
    await record(session, entry)


def domain_of(email: str) -> str:
    return email.rpartition("@")[2]
