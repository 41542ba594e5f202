"""Permissions of roles, and whether the senders of invitations may still send them.

An invitation is invalid once its sender could not send it.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

from undercroft.core.auth.permissions import get_builtin_role_permissions, get_granted_permissions
from undercroft.core.db import Session
from undercroft.modules.teams.models import BUILT_IN_ROLES, CustomRole, Invitation, TeamRole
from undercroft.modules.teams.repository.invitations import InvitationRepository, Sender
from undercroft.modules.teams.repository.members import RoleRepository

INVITE_PERMISSION = "invitations:write"


async def get_role_permissions(session: Session, team_id: UUID, role: str) -> frozenset[str] | None:
    if role in BUILT_IN_ROLES:
        return get_builtin_role_permissions(role)
    custom = await RoleRepository(session, team_id).get_by(name=role)
    return None if custom is None else _get_custom_role_permissions(custom)


def exceeds_member_role(permissions: Collection[str]) -> bool:
    return bool(set(permissions) - get_builtin_role_permissions(TeamRole.MEMBER))


async def is_sender_authorized(session: Session, invitation: Invitation) -> bool:
    """Whether the sender is an active member who may currently invite users into the invitation's role."""
    senders = await InvitationRepository(session, invitation.team_id).senders(invitation.id)
    roles = await _list_role_permissions(session, invitation.team_id)
    return any(sender.is_active and _can_send(sender, roles) for sender in senders)


async def revoke_unauthorized_invitations(session: Session, team_id: UUID) -> int:
    """Revoke pending invitations that their senders could no longer send; return their number.

    The caller has locked the team. Invitations of deactivated senders stay, for a later activation.
    """
    invitations = InvitationRepository(session, team_id)
    senders = await invitations.senders()
    if not senders:
        return 0
    roles = await _list_role_permissions(session, team_id)
    return await invitations.revoke([each.invitation_id for each in senders if not _can_send(each, roles)])


async def _list_role_permissions(session: Session, team_id: UUID) -> Mapping[str, frozenset[str]]:
    roles = {role: get_builtin_role_permissions(role) for role in BUILT_IN_ROLES}
    custom = await RoleRepository(session, team_id).all()
    return roles | {role.name: _get_custom_role_permissions(role) for role in custom}


def _get_custom_role_permissions(role: CustomRole) -> frozenset[str]:
    return get_granted_permissions(" ".join(role.permissions))


def _can_send(sender: Sender, roles: Mapping[str, frozenset[str]]) -> bool:
    offered = roles.get(sender.role)
    return offered is not None and {INVITE_PERMISSION, *offered} <= sender.permissions
