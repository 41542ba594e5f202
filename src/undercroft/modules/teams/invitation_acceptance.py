"""Accept an invitation: only the user with the invited address and the emailed link can join, once."""

from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.security.tokens import hash_token
from undercroft.modules.teams.errors import InvitationEmailMismatch, InvitationInvalid, TeamNotFound
from undercroft.modules.teams.join_offers import add_member
from undercroft.modules.teams.models import Invitation, Team
from undercroft.modules.teams.repository import (
    InvitationDetails,
    InvitationTokenRepository,
    MembershipRepository,
    TeamRepository,
    UserTeam,
)
from undercroft.modules.teams.sender_permissions import is_sender_authorized
from undercroft.modules.users import UserRepository

INVITATION_PAGE = "/invitation"
"""Path of the page that emailed links open."""


class OpenInvitation(Struct, frozen=True):
    """A pending invitation, as shown to the recipient of the link."""

    details: InvitationDetails
    has_account: bool

    @property
    def email(self) -> str:
        return self.details.invitation.email


async def get_open_invitation(session: ReadSession, token: str) -> OpenInvitation:
    """Look up the pending invitation of an emailed link, read-only. Raises `InvitationInvalid`."""
    invited = await InvitationTokenRepository(session).get_by_token_hash(hash_token(token))
    if invited is None or invited.invitation.accepted_at is not None or invited.invitation.expires_at <= utc_now():
        raise InvitationInvalid
    account = await UserRepository(session).get_by_email(invited.invitation.email)
    return OpenInvitation(invited, has_account=account is not None)


async def accept_invitation(session: Session, token: str, user_id: UUID) -> UserTeam:
    """Join the team of an emailed invitation link. Repeating it changes nothing while the user is a member.

    Raises `InvitationInvalid` (unknown, revoked, expired, or used by a user who is no longer a member),
    `InvitationEmailMismatch`, `SeatLimitReached`, and `UserNotFound` (the account was deleted in the meantime).
    """
    user = await UserRepository(session).lock_no_key(user_id)
    team, invitation = await _lock_invitation(session, token)
    if user.email != invitation.email:
        raise InvitationEmailMismatch
    if invitation.accepted_at is None:
        await _accept(session, team, invitation, user_id)
    membership = await MembershipRepository(session).get_by(team_id=team.id, user_id=user_id)
    if membership is None:
        raise InvitationInvalid
    return UserTeam(team, membership.role)


async def _lock_invitation(session: Session, token: str) -> tuple[Team, Invitation]:
    """Lock the team first, as every change of its invitations does, then read the invitation again."""
    tokens, token_hash = InvitationTokenRepository(session), hash_token(token)
    found = await tokens.get_by_token_hash(token_hash)
    if found is None:
        raise InvitationInvalid
    try:
        team = await TeamRepository(session).lock_no_key(found.invitation.team_id)
    except TeamNotFound:
        raise InvitationInvalid from None
    found = await tokens.get_by_token_hash(token_hash)
    if found is None:
        raise InvitationInvalid
    return team, found.invitation


async def _accept(session: Session, team: Team, invitation: Invitation, user_id: UUID) -> None:
    if invitation.expires_at <= utc_now() or not await is_sender_authorized(session, invitation):
        raise InvitationInvalid
    joined = await add_member(session, team, user_id, invitation.role)
    invitation.accepted_at, invitation.accepted_by = utc_now(), user_id
    await session.flush()
    await record(
        session,
        Entry(
            "invitation.accepted",
            user_id,
            "invitation",
            invitation.id,
            team.id,
            after={"role": invitation.role} if joined else {},
            details={"user_id": str(user_id), "joined": joined},
        ),
    )
