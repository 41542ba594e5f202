"""Join a team through an invitation, or through the domain of a verified address. Only the user can start this.

An invitation is accepted once, by the user with the invited address and the emailed link. The team is locked first, as
by every other change of its members and invitations.
"""

from uuid import UUID

from msgspec import Struct

from undercroft.core.audit import Entry, record
from undercroft.core.db import Paging, ReadSession, RowPage, utc_now
from undercroft.core.overrides import Service, call_super
from undercroft.core.security.tokens import hash_token
from undercroft.modules.teams.errors import InvitationEmailMismatch, InvitationInvalid, JoinOfferNotFound, TeamNotFound
from undercroft.modules.teams.models import Invitation, Team
from undercroft.modules.teams.repository.invitations import (
    InvitationDetails,
    InvitationRepository,
    InvitationTokenRepository,
)
from undercroft.modules.teams.repository.members import MembershipRepository
from undercroft.modules.teams.repository.teams import TeamRepository, UserTeam
from undercroft.modules.teams.service.domains import email_domain, revoke_stale_claims
from undercroft.modules.teams.service.members import add_member
from undercroft.modules.teams.service.notifications import notify, notify_owners
from undercroft.modules.teams.service.role_permissions import is_sender_authorized
from undercroft.modules.users import User, UserRepository

INVITATION_PAGE = "/invitation"
"""Path of the page that emailed links open."""


class OpenInvitation(Struct, frozen=True):
    """A pending invitation, as shown to the recipient of the link."""

    details: InvitationDetails
    has_account: bool

    @property
    def email(self) -> str:
        return self.details.invitation.email


class JoinService(Service):
    """Invitations and offers to join a team. Pass a `Session` to accept them, a `ReadSession` to read them."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        self._teams = TeamRepository(session)
        self._members = MembershipRepository(session)
        self._tokens = InvitationTokenRepository(session)

    @call_super
    async def get_invitation(self, token: str) -> OpenInvitation:
        """Look up the pending invitation of an emailed link. Raises `InvitationInvalid`."""
        details = await self._tokens.get_by_token_hash(hash_token(token))
        if details is None or details.invitation.accepted_at is not None or details.invitation.expires_at <= utc_now():
            raise InvitationInvalid
        account = await UserRepository(self._session).get_by_email(details.invitation.email)
        return OpenInvitation(details, has_account=account is not None)

    @call_super
    async def accept_invitation(self, token: str, user_id: UUID) -> UserTeam:
        """Join the team of an emailed invitation link. Repeating it changes nothing while the user is a member.

        Raises `InvitationInvalid` (unknown, revoked, expired, or used by a user who is no longer a member),
        `InvitationEmailMismatch`, `SeatLimitReached`, and `UserNotFound` (the account was deleted in the meantime).
        """
        user = await UserRepository(self._session).lock_no_key(user_id)
        team, invitation = await self._lock_invitation(token)
        if user.email != invitation.email:
            raise InvitationEmailMismatch
        if invitation.accepted_at is None:
            await self._accept_invitation(team, invitation, user_id)
        membership = await self._members.get_by(team_id=team.id, user_id=user_id)
        if membership is None:
            raise InvitationInvalid
        return UserTeam(team, membership.role)

    @call_super
    async def list_offers(self, user_id: UUID, paging: Paging) -> tuple[str, RowPage[Team]]:
        """Return the domain of the user's address and the teams that it allows to join if verified, oldest first."""
        user = await UserRepository(self._session).get(user_id)
        domain = email_domain(user.email)
        if not user.email_verified:
            return domain, RowPage([], paging, 0)
        return domain, await self._teams.list_offered(domain, user_id, paging)

    @call_super
    async def accept_offer(self, team_id: UUID, user_id: UUID) -> UserTeam:
        """Join a team that is currently offered. Repeating it changes nothing while the user is a member.

        A pending invitation of the address determines the role and is consumed. The user and the team's owners get an
        email. Raises `JoinOfferNotFound`, `SeatLimitReached`, `UserNotFound`.
        """
        user = await UserRepository(self._session).lock_no_key(user_id)
        try:
            team = await self._teams.lock_no_key(team_id)
        except TeamNotFound:
            raise JoinOfferNotFound from None
        member = await self._members.get_by(team_id=team.id, user_id=user.id)
        if member is not None:
            return UserTeam(team, member.role)
        domain = email_domain(user.email)
        if domain not in team.auto_join_domains:
            raise JoinOfferNotFound
        await revoke_stale_claims(self._session.writable, team)
        if not user.email_verified or not await self._teams.is_offered(team.id, domain, user.id):
            raise JoinOfferNotFound
        return UserTeam(team, await self._accept_offer(team, user, domain))

    async def _lock_invitation(self, token: str) -> tuple[Team, Invitation]:
        """Lock the team first, as every change of its invitations does, then read the invitation again."""
        try:
            team = await self._teams.lock_no_key((await self._find_invitation(token)).team_id)
        except TeamNotFound:
            raise InvitationInvalid from None
        return team, await self._find_invitation(token)

    async def _find_invitation(self, token: str) -> Invitation:
        details = await self._tokens.get_by_token_hash(hash_token(token))
        if details is None:
            raise InvitationInvalid
        return details.invitation

    async def _accept_invitation(self, team: Team, invitation: Invitation, user_id: UUID) -> None:
        session = self._session.writable
        if invitation.expires_at <= utc_now() or not await is_sender_authorized(session, invitation):
            raise InvitationInvalid
        joined = await add_member(session, team, user_id, invitation.role)
        invitation.accepted_at, invitation.accepted_by = utc_now(), user_id
        await session.flush()
        after, details = {"role": invitation.role} if joined else {}, {"user_id": str(user_id), "joined": joined}
        entry = Entry(
            "invitation.accepted", user_id, "invitation", invitation.id, team.id, after=after, details=details
        )
        await record(session, entry)

    async def _accept_offer(self, team: Team, user: User, domain: str) -> str:
        """Add the user, with the role of a pending invitation if there is one; return the role."""
        session, details = self._session.writable, {"domain": domain}
        invitation = await InvitationRepository(session, team.id).get_pending(user.email)
        if invitation is not None and not await is_sender_authorized(session, invitation):
            invitation = None
        role = invitation.role if invitation else team.auto_join_role
        await add_member(session, team, user.id, role)
        if invitation is not None:
            invitation.accepted_at, invitation.accepted_by = utc_now(), user.id
            details["invitation_id"] = str(invitation.id)
        entry = Entry("member.joined", user.id, "user", user.id, team.id, after={"role": role}, details=details)
        await record(session, entry)
        await notify_owners(session, team.id, "teams/member_joined", about=user.id)
        await notify(session, user.id, "teams/team_joined", team.id)
        return role
