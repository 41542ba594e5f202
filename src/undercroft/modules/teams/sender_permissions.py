"""Check whether senders may still send their invitations: an invitation is void once its sender could not send it."""

from uuid import UUID

from undercroft.core.auth.permissions import BUILT_IN_ROLES, get_builtin_role_permissions, get_granted_permissions
from undercroft.core.db import Session
from undercroft.modules.teams.models import Invitation
from undercroft.modules.teams.repository import InvitationRepository, RoleRepository, Sender

INVITE_PERMISSION = "invitations:write"


async def is_sender_authorized(session: Session, invitation: Invitation) -> bool:
    """Whether the sender is an active member who may currently invite users into the invitation's role."""
    senders = await InvitationRepository(session, invitation.team_id).senders(invitation.id)
    roles = await _custom_role_permissions(session, invitation.team_id)
    return any(sender.is_active and _can_send(sender, roles) for sender in senders)


async def revoke_unauthorized_invitations(session: Session, team_id: UUID) -> int:
    """Revoke pending invitations that their senders could no longer send; return their number.

    The caller has locked the team. Invitations of deactivated senders stay, for a later activation.
    """
    invitations = InvitationRepository(session, team_id)
    senders = await invitations.senders()
    if not senders:
        return 0
    roles = await _custom_role_permissions(session, team_id)
    return await invitations.revoke([each.invitation_id for each in senders if not _can_send(each, roles)])


async def _custom_role_permissions(session: Session, team_id: UUID) -> dict[str, frozenset[str]]:
    return {
        role.name: get_granted_permissions(" ".join(role.permissions))
        for role in await RoleRepository(session, team_id).all()
    }


def _can_send(sender: Sender, roles: dict[str, frozenset[str]]) -> bool:
    offered = get_builtin_role_permissions(sender.role) if sender.role in BUILT_IN_ROLES else roles.get(sender.role)
    return offered is not None and {INVITE_PERMISSION, *offered} <= sender.permissions
