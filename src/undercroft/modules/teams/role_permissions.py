"""Permissions of built-in and custom roles."""

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
    """Return the permissions of a role, or None if the team has no such role."""
    if role in BUILT_IN_ROLES:
        return get_builtin_role_permissions(role)
    own = await RoleRepository(session, team_id).get_by_name(role)
    return None if own is None else get_granted_permissions(" ".join(own.permissions))


def exceeds_member_role(permissions: Collection[str]) -> bool:
    """Whether any of these permissions is missing from the built-in member role."""
    return bool(set(permissions) - get_builtin_role_permissions(TeamRole.MEMBER))
