"""The guard of what can be done with a deleted team, which cannot be anybody's current one."""

from typing import Any
from uuid import UUID

from fastapi import Depends

from undercroft.core.auth import CurrentPrincipal
from undercroft.core.auth.guards import PermissionDenied
from undercroft.core.db import SessionDep
from undercroft.modules.teams.errors import TeamNotFound
from undercroft.modules.teams.repository import MembershipRepository


def require_in_deleted_team(permission: str) -> Any:
    """A dependency like `require_permission`, for the team that the path names as `deleted_team_id`."""

    async def check(deleted_team_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
        found = await MembershipRepository(session).permissions(deleted_team_id, principal.user_id)
        if found is None:
            raise TeamNotFound
        if permission not in found[1]:
            raise PermissionDenied(details={"permission": permission})

    check.needs = permission  # type: ignore[attr-defined]
    return Depends(check)
