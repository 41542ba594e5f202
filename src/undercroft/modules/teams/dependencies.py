"""Dependencies of team routes: the team in the path, and the permission guard for a deleted team."""

from typing import Any
from uuid import UUID

from fastapi import Depends

from undercroft.core.db import SessionDep
from undercroft.core.http import CurrentPrincipal
from undercroft.core.http.guards import PermissionDenied
from undercroft.modules.teams.errors import TeamNotFound
from undercroft.modules.teams.repository import MembershipRepository


async def _team_from_path(team_id: UUID) -> UUID:
    return team_id


TEAM_FROM_PATH = Depends(_team_from_path)
"""For routers with a team in the path. The authenticator makes it the current team, so services read only that."""


def require_in_deleted_team(permission: str) -> Any:
    """A dependency like `require_permission` for the deleted team in the path parameter `deleted_team_id`."""

    async def check(deleted_team_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
        found = await MembershipRepository(session).permissions(deleted_team_id, principal.user_id)
        if found is None:
            raise TeamNotFound
        if permission not in principal.limit_to_scopes(found[1]):
            raise PermissionDenied(details={"permission": permission})

    check.needs = permission  # type: ignore[attr-defined]
    return Depends(check)
