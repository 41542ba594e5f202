"""What roles may do, built in or a team's own, and which of them may do more than a member."""

from collections.abc import Collection
from uuid import UUID

from undercroft.core.auth.permissions import BUILT_IN, TeamRole, granted, permissions_of
from undercroft.core.db import Session
from undercroft.modules.teams.repository import RoleRepository


async def role_permissions(session: Session, team_id: UUID, role: str) -> frozenset[str] | None:
    """The permissions of a role; None for one that the team does not have."""
    if role in BUILT_IN:
        return permissions_of(role)
    own = await RoleRepository(session, team_id).named(role)
    return None if own is None else granted(" ".join(own.permissions))


def exceed_member(permissions: Collection[str]) -> bool:
    """Whether a plain member lacks one of these permissions."""
    return bool(set(permissions) - permissions_of(TeamRole.MEMBER))
