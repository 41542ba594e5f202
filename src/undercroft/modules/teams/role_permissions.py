"""What roles may do, built in or a team's own, and which of them may do more than a member."""

from collections.abc import Collection
from uuid import UUID

from undercroft.core.auth.permissions import (
    BUILT_IN_ROLES,
    TeamRole,
    get_builtin_role_permissions,
    get_granted_permissions,
)
from undercroft.core.db import Session
from undercroft.modules.teams.repository import RoleRepository


async def get_role_permissions(session: Session, team_id: UUID, role: str) -> frozenset[str] | None:
    """The permissions of a role; None for one that the team does not have."""
    if role in BUILT_IN_ROLES:
        return get_builtin_role_permissions(role)
    own = await RoleRepository(session, team_id).get_by_name(role)
    return None if own is None else get_granted_permissions(" ".join(own.permissions))


def exceeds_member_role(permissions: Collection[str]) -> bool:
    """Whether a plain member lacks one of these permissions."""
    return bool(set(permissions) - get_builtin_role_permissions(TeamRole.MEMBER))
