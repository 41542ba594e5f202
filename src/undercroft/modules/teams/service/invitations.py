"""Invite users to a team by email. No response reveals whether an address has an account."""

from typing import Any
from uuid import UUID

from undercroft.core.audit import person_id_for_email
from undercroft.core.auth import Principal
from undercroft.core.db import Paging, ReadSession, RowPage, utc_now
from undercroft.core.hooks import decide
from undercroft.core.overrides import Service, call_super
from undercroft.core.settings import load
from undercroft.jobs import enqueue
from undercroft.modules.teams.errors import AlreadyMember
from undercroft.modules.teams.hooks import NewInvitation
from undercroft.modules.teams.models import Invitation
from undercroft.modules.teams.repository.invitations import InvitationRepository, InvitationTokenRepository
from undercroft.modules.teams.repository.members import MembershipRepository
from undercroft.modules.teams.schemas import InvitationCreate
from undercroft.modules.teams.service.locked_team import lock_team
from undercroft.modules.teams.service.members import require_seat
from undercroft.modules.teams.service.role_permissions import INVITE_PERMISSION
from undercroft.modules.teams.settings import TeamSettings
from undercroft.modules.users import UserRepository


class InvitationService(Service):
    """Invitations of the current team. Pass a `Session` to change them, a `ReadSession` to list them.

    A user can neither create nor change an invitation for a role that exceeds the user's own permissions.
    """

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._invitations = InvitationRepository(session, principal.team_id)

    async def list(self, paging: Paging) -> RowPage[Any]:
        """List pending invitations, newest first: rows of (invitation, inviter's name)."""
        return await self._invitations.with_inviters(paging)

    @call_super
    async def create(self, data: InvitationCreate) -> Invitation:
        """Create an invitation and enqueue its email; revoke an earlier pending one to the same address.

        Raises `AlreadyMember`, `SeatLimitReached`, `PersonalTeam`, `UnknownRole`, `TeamRoleTooWeak`, and `UserNotFound`
        (the account was deleted in the meantime), and what hooks of `NewInvitation` raise.
        """
        from undercroft.modules.teams.tasks import send_invitation  # late: importing the module loads no tasks

        await UserRepository(self._session).lock_no_key(self._principal.user_id)
        locked = await lock_team(self._session, self._principal, INVITE_PERMISSION)
        locked.require_not_personal()
        team_id, inviter = locked.team.id, self._principal.user_id
        invited = NewInvitation(team_id=team_id, invited_by=inviter, email=data.email, role=data.role)
        role = (await decide(locked.session, invited)).role
        await locked.require_can_assign_role(role)
        if await MembershipRepository(self._session).has_address(locked.team.id, data.email):
            raise AlreadyMember
        await require_seat(locked.session, locked.team.id)
        replaced = await self._invitations.delete_pending(data.email)
        invitation = Invitation(
            team_id=locked.team.id,
            email=data.email,
            role=role,
            invited_by=locked.user_id,
            expires_at=utc_now() + load(TeamSettings).invitation_lifetime,
        )
        await self._invitations.create(invitation)
        await enqueue(locked.session, send_invitation, invitation_id=invitation.id)
        await locked.record(
            "invitation.created",
            target=("invitation", invitation.id),
            after={"email": invitation.email, "role": invitation.role},
            details={"replaces": str(replaced)} if replaced else {},
            person_id=person_id_for_email(invitation.email),
        )
        return invitation

    @call_super
    async def resend(self, invitation_id: UUID) -> Invitation:
        """Email a new link with the lifetime of a new invitation; revoke earlier links.

        Raises `InvitationNotFound`, `UnknownRole`, `TeamRoleTooWeak`.
        """
        from undercroft.modules.teams.tasks import send_invitation

        locked = await lock_team(self._session, self._principal, INVITE_PERMISSION)
        invitation = await self._invitations.get(invitation_id)
        await locked.require_can_assign_role(invitation.role)
        before = invitation.expires_at
        await InvitationTokenRepository(locked.session).delete_by(invitation_id=invitation.id)
        await self._invitations.update(invitation, {"expires_at": utc_now() + load(TeamSettings).invitation_lifetime})
        await enqueue(locked.session, send_invitation, invitation_id=invitation.id)
        await locked.record(
            "invitation.resent",
            target=("invitation", invitation.id),
            before={"expires_at": before.isoformat()},
            after={"expires_at": invitation.expires_at.isoformat()},
        )
        return invitation

    @call_super
    async def revoke(self, invitation_id: UUID) -> None:
        """Delete a pending invitation; its link stops working. Raises `InvitationNotFound`, `TeamRoleTooWeak`."""
        locked = await lock_team(self._session, self._principal, INVITE_PERMISSION)
        invitation = await self._invitations.get(invitation_id)
        await locked.require_can_change_role(invitation.role)
        await self._invitations.delete(invitation)
        before = {"email": invitation.email, "role": invitation.role}
        await locked.record(
            "invitation.revoked",
            target=("invitation", invitation.id),
            before=before,
            person_id=person_id_for_email(invitation.email),
        )
