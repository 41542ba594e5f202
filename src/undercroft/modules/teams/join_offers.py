"""Join a team through an invitation or the domain of a verified address. Only the user can start this.

Seats are counted while the team is locked.
"""

from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.db.repository import OffsetPage
from undercroft.modules.teams.domains import email_domain, revoke_stale_claims
from undercroft.modules.teams.errors import JoinOfferNotFound, TeamNotFound
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.teams.notifications import TeamNotification, notify, notify_owners
from undercroft.modules.teams.repository import (
    InvitationRepository,
    MembershipRepository,
    RemovedMemberRepository,
    TeamRepository,
    UserTeam,
)
from undercroft.modules.teams.seats import require_seat
from undercroft.modules.teams.sender_permissions import is_sender_authorized
from undercroft.modules.users import User, UserRepository


class JoinOffers(Struct, frozen=True):
    """A page of the teams that a user may join through a domain."""

    domain: str
    teams: OffsetPage[Team]


async def add_member(session: Session, team: Team, user_id: UUID, role: str) -> bool:
    """Add a user to a locked team; return False if already a member. Raises `SeatLimitReached`."""
    members = MembershipRepository(session)
    if await members.get_by(team_id=team.id, user_id=user_id) is not None:
        return False
    await require_seat(session, team.id)
    await members.create(Membership(team_id=team.id, user_id=user_id, role=role))
    await RemovedMemberRepository(session).clear(team.id, user_id)
    return True


async def list_offers(session: ReadSession, user_id: UUID, *, page: int, size: int) -> JoinOffers:
    """List the teams that the domain of the user's verified address allows to join, oldest first. Read-only."""
    user = await UserRepository(session).get(user_id)
    domain = email_domain(user.email)
    if not user.email_verified:
        return JoinOffers(domain, OffsetPage([], 0))
    return JoinOffers(domain, await TeamRepository(session).list_offered(domain, user_id, page=page, size=size))


async def accept_offer(session: Session, team_id: UUID, user_id: UUID) -> UserTeam:
    """Join a team that is currently offered. Repeating it changes nothing while the user is a member.

    A pending invitation of the address determines the role and is consumed. The user and the team's owners get an
    email. Raises `JoinOfferNotFound`, `SeatLimitReached`, `UserNotFound`.
    """
    user = await UserRepository(session).lock_no_key(user_id)
    try:
        team = await TeamRepository(session).lock_no_key(team_id)
    except TeamNotFound:
        raise JoinOfferNotFound from None
    member = await MembershipRepository(session).get_by(team_id=team.id, user_id=user.id)
    if member is not None:
        return UserTeam(team, member.role)
    if email_domain(user.email) not in team.auto_join_domains:
        raise JoinOfferNotFound
    await revoke_stale_claims(session, team)
    if not user.email_verified or not await TeamRepository(session).is_offered(
        team.id, email_domain(user.email), user.id
    ):
        raise JoinOfferNotFound
    return UserTeam(team, await _accept(session, team, user))


async def _accept(session: Session, team: Team, user: User) -> str:
    invitation = await InvitationRepository(session, team.id).get_pending(user.email)
    if invitation is not None and not await is_sender_authorized(session, invitation):
        invitation = None
    role = invitation.role if invitation else team.auto_join_role
    await add_member(session, team, user.id, role)
    details = {"domain": email_domain(user.email)}
    if invitation is not None:
        invitation.accepted_at, invitation.accepted_by = utc_now(), user.id
        details["invitation_id"] = str(invitation.id)
    entry = Entry("member.joined", user.id, "user", user.id, team.id, after={"role": role}, details=details)
    await record(session, entry)
    await notify_owners(session, team.id, TeamNotification.MEMBER_JOINED, about=user.id)
    await notify(session, user.id, TeamNotification.TEAM_JOINED, team.id)
    return role
