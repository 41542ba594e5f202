"""Becoming a member, by an invitation or by the domain of a verified address, and always by the user's own act.

Seats are counted while the team is locked.
"""

from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.db.repository import Slice
from undercroft.modules.teams.domains import domain_of, revoke_stale_claims
from undercroft.modules.teams.errors import JoinOfferNotFound, TeamNotFound
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.teams.notices import TeamNotice, notify, notify_owners
from undercroft.modules.teams.repository import (
    Belonging,
    InvitationRepository,
    MembershipRepository,
    RemovalRepository,
    TeamRepository,
)
from undercroft.modules.teams.seats import require_seat
from undercroft.modules.teams.sending import may_be_sent
from undercroft.modules.users import User, UserRepository


class JoinOffers(Struct, frozen=True):
    """A page of the teams that a domain lets a user join."""

    domain: str
    teams: Slice[Team]


async def join(session: Session, team: Team, user_id: UUID, role: str) -> bool:
    """Make a user a member of a locked team; False when they are one already. Raises `SeatLimitReached`."""
    members = MembershipRepository(session)
    if await members.get_by(team_id=team.id, user_id=user_id) is not None:
        return False
    await require_seat(session, team.id)
    await members.create(Membership(team_id=team.id, user_id=user_id, role=role))
    await RemovalRepository(session).lift(team.id, user_id)
    return True


async def list_offers(session: ReadSession, user_id: UUID, *, page: int, size: int) -> JoinOffers:
    """Teams that the domain of the user's verified address lets them join, the oldest first. Changes nothing."""
    user = await UserRepository(session).get(user_id)
    domain = domain_of(user.email)
    if not user.email_verified:
        return JoinOffers(domain, Slice([], 0))
    return JoinOffers(domain, await TeamRepository(session).offered(domain, user_id, page=page, size=size))


async def accept_offer(session: Session, team_id: UUID, user_id: UUID) -> Belonging:
    """Join a team that is offered at this moment. Repeating it changes nothing while the user is a member.

    A pending invitation of the address gives its role and is used up. The user and the team's owners are notified.
    Raises `JoinOfferNotFound`, `SeatLimitReached` and `UserNotFound`.
    """
    user = await UserRepository(session).hold(user_id)
    try:
        team = await TeamRepository(session).hold(team_id)
    except TeamNotFound:
        raise JoinOfferNotFound from None
    member = await MembershipRepository(session).get_by(team_id=team.id, user_id=user.id)
    if member is not None:
        return Belonging(team, member.role)
    if domain_of(user.email) not in team.auto_join_domains:
        raise JoinOfferNotFound
    await revoke_stale_claims(session, team)
    if not user.email_verified or not await TeamRepository(session).offers(team.id, domain_of(user.email), user.id):
        raise JoinOfferNotFound
    return Belonging(team, await _accept(session, team, user))


async def _accept(session: Session, team: Team, user: User) -> str:
    invitation = await InvitationRepository(session, team.id).waiting_for(user.email)
    if invitation is not None and not await may_be_sent(session, invitation):
        invitation = None
    role = invitation.role if invitation else team.auto_join_role
    await join(session, team, user.id, role)
    details = {"domain": domain_of(user.email)}
    if invitation is not None:
        invitation.accepted_at, invitation.accepted_by = utc_now(), user.id
        details["invitation_id"] = str(invitation.id)
    entry = Entry("member.joined", user.id, "user", user.id, team.id, after={"role": role}, details=details)
    await record(session, entry)
    await notify_owners(session, team.id, TeamNotice.MEMBER_JOINED, about=user.id)
    await notify(session, user.id, TeamNotice.TEAM_JOINED, team.id)
    return role
